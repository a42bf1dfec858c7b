"""Decisions from probabilities. Arguments as in ``components.metrics.weighting``."""

from __future__ import annotations

from typing import Literal

import numpy as np

from components.metrics.weighting import Array, known, ratio

ThresholdRule = Literal["f1", "sensitivity", "specificity"]


def f1(truth: Array, probability: Array, threshold: float, weight: Array | None = None) -> Array:
    """2TP / (2TP + FP + FN), a sample being called positive at ``probability >= threshold``.

    NaN when nothing is positive and nothing is called so.
    """
    truth, weight = known(truth, weight)
    called = _called(probability, threshold)
    return ratio(2.0 * (weight @ (called * truth)), weight @ called + weight @ truth)


def accuracy(truth: Array, probability: Array, threshold: float, weight: Array | None = None) -> Array:
    """Share of the samples that are called right; of a rare finding it is high for a model that never calls."""
    truth, weight = known(truth, weight)
    right = (_called(probability, threshold) == truth).astype(np.float64)
    return ratio(weight @ right, weight.sum(axis=-1))


def sensitivity(truth: Array, probability: Array, threshold: float, weight: Array | None = None) -> Array:
    """TP / (TP + FN), the recall; NaN without a positive sample."""
    truth, weight = known(truth, weight)
    return ratio(weight @ (_called(probability, threshold) * truth), weight @ truth)


def specificity(truth: Array, probability: Array, threshold: float, weight: Array | None = None) -> Array:
    """TN / (TN + FP); NaN without a negative sample."""
    truth, weight = known(truth, weight)
    rejected = 1.0 - _called(probability, threshold)
    return ratio(weight @ (rejected * (1.0 - truth)), weight @ (1.0 - truth))


def ppv(truth: Array, probability: Array, threshold: float, weight: Array | None = None) -> Array:
    """TP / (TP + FP), the positive predictive value or precision; NaN when nothing is called."""
    truth, weight = known(truth, weight)
    called = _called(probability, threshold)
    return ratio(weight @ (called * truth), weight @ called)


def npv(truth: Array, probability: Array, threshold: float, weight: Array | None = None) -> Array:
    """TN / (TN + FN), the negative predictive value; NaN when everything is called."""
    truth, weight = known(truth, weight)
    rejected = 1.0 - _called(probability, threshold)
    return ratio(weight @ (rejected * (1.0 - truth)), weight @ rejected)


def called_share(truth: Array, probability: Array, threshold: float, weight: Array | None = None) -> Array:
    """Share of the samples with a known truth that are called positive: what a finding adds to the workload."""
    _, weight = known(truth, weight)
    return ratio(weight @ _called(probability, threshold), weight.sum(axis=-1))


def chosen_threshold(
    truth: Array, probability: Array, rule: ThresholdRule, target: float = 0.9, *, default: float = 0.5
) -> float:
    """Where to call a finding present, by ``rule``:

    ``f1``: of highest F1; of equal ones the nearest to ``default``. ``sensitivity``: the highest that still reaches
    ``target``. ``specificity``: the lowest that does. In the middle of the gap between two probabilities, so that
    neither lies on it; ``default`` when not both classes are known.
    """
    truth = np.asarray(truth, dtype=np.float64)
    chosen = ~np.isnan(truth)
    truth, probability = truth[chosen], np.asarray(probability, dtype=np.float64)[chosen]
    if np.unique(truth).size < 2:
        return default
    cuts = _cuts(probability)
    called = probability[None] >= cuts[:, None]
    if rule == "f1":
        scores = np.array([float(f1(truth, probability, cut)) for cut in cuts])
        best = cuts[scores >= scores.max() - 1e-12]
        return float(best[np.argmin(np.abs(best - default))])
    if rule == "sensitivity":
        reached = called[:, truth == 1].mean(axis=1) >= target - 1e-12
        return float(cuts[reached].max())  # the lowest cut calls all of them
    reached = (~called[:, truth == 0]).mean(axis=1) >= target - 1e-12
    return float(cuts[reached].min())  # the highest calls none


def _called(probability: Array, threshold: float) -> Array:
    return (np.asarray(probability) >= threshold).astype(np.float64)


def _cuts(probability: Array) -> Array:
    """Rising: one that calls everything, one in each gap, one above the highest probability."""
    values = np.unique(probability)
    return np.concatenate([values[:1], 0.5 * (values[1:] + values[:-1]), [0.5 * (values[-1] + 1.0) + 1e-9]])
