"""How well probabilities rank the positive samples of one finding above the negative ones.

Arguments as in ``components.metrics.weighting``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.metrics.weighting import Array, known, ratio


def auroc(truth: Array, probability: Array, weight: Array | None = None) -> Array:
    """Area under the ROC curve: P(s⁺ > s⁻) + P(s⁺ = s⁻) / 2 (Mann-Whitney; Hanley & McNeil 1982).

    NaN without a positive or without a negative sample.
    """
    truth, weight = known(truth, weight)
    order = np.argsort(probability, kind="stable")
    positive, negative = (weight * truth)[..., order], (weight * (1.0 - truth))[..., order]
    first, last = _tie_bounds(np.asarray(probability)[order])
    below = np.concatenate([np.zeros((*negative.shape[:-1], 1)), np.cumsum(negative, axis=-1)], axis=-1)
    won = 0.5 * (below[..., first] + below[..., last])
    return ratio((positive * won).sum(axis=-1), positive.sum(axis=-1) * negative.sum(axis=-1))


def average_precision(truth: Array, probability: Array, weight: Array | None = None) -> Array:
    """Σ (R_k - R_{k-1}) P_k over the distinct thresholds in falling order; NaN without a positive sample."""
    truth, weight = known(truth, weight)
    order = np.argsort(-np.asarray(probability), kind="stable")
    hit = np.cumsum((weight * truth)[..., order], axis=-1)
    taken = np.cumsum(weight[..., order], axis=-1)
    _, last = _tie_bounds(np.asarray(probability)[order])
    ends = np.unique(last) - 1
    hit, taken = hit[..., ends], taken[..., ends]
    precision = np.nan_to_num(ratio(hit, taken))
    gained = np.diff(hit, axis=-1, prepend=0.0)
    return ratio((gained * precision).sum(axis=-1), hit[..., -1])


def roc_curve(truth: Array, probability: Array, weight: Array | None = None) -> tuple[Array, Array]:
    """(false positive rate, true positive rate) from (0, 0) to (1, 1), one point per distinct threshold.

    Args:
        weight: ``(n,)``.
    """
    truth, weight = known(truth, weight)
    order = np.argsort(-np.asarray(probability), kind="stable")
    _, last = _tie_bounds(np.asarray(probability)[order])
    ends = np.unique(last) - 1
    hit = np.cumsum((weight * truth)[order])[ends]
    false = np.cumsum((weight * (1.0 - truth))[order])[ends]
    start = np.zeros(1)
    return ratio(np.concatenate([start, false]), false[-1]), ratio(np.concatenate([start, hit]), hit[-1])


def _tie_bounds(ordered: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """For each entry of a sorted array, the half-open range of the entries equal to it."""
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    starts = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    return starts[group], np.concatenate([starts[1:], [ordered.size]])[group]
