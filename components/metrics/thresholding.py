"""Decisions from probabilities. Arguments as in ``components.metrics.weighting``."""

from __future__ import annotations

import numpy as np

from components.metrics.weighting import Array, known, ratio


def f1(truth: Array, probability: Array, threshold: float, weight: Array | None = None) -> Array:
    """2TP / (2TP + FP + FN), a sample being called positive at ``probability >= threshold``.

    NaN when nothing is positive and nothing is called so.
    """
    truth, weight = known(truth, weight)
    called = (np.asarray(probability) >= threshold).astype(np.float64)
    true_positive = weight @ (called * truth)
    return ratio(2.0 * true_positive, weight @ called + weight @ truth)


def best_f1_threshold(truth: Array, probability: Array, *, default: float = 0.5) -> float:
    """The threshold of highest F1, in the middle of the gap below its last positive call.

    ``default`` when both classes are not present. Of equal thresholds the one nearest to ``default`` wins.
    """
    truth = np.asarray(truth, dtype=np.float64)
    chosen = ~np.isnan(truth)
    truth, probability = truth[chosen], np.asarray(probability, dtype=np.float64)[chosen]
    if np.unique(truth).size < 2:
        return default
    values = np.unique(probability)
    cuts = np.concatenate([values[:1], 0.5 * (values[1:] + values[:-1])])
    scores = np.array([float(f1(truth, probability, cut)) for cut in cuts])
    best = cuts[scores >= scores.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - default))])
