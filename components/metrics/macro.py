"""Means over findings, each counting alike or by its positives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components.metrics.weighting import Array, ratio

FindingMetric = Callable[[Array, Array, Array | None], Array]


def per_finding(
    metric: FindingMetric, truth_nk: Array, probability_nk: Array, weight: Array | None = None
) -> Array:
    """``metric`` of each of k findings: ``(..., k)``; a NaN label is left out of its finding only."""
    columns = [
        metric(truth_nk[:, k], probability_nk[:, k], weight) for k in range(np.asarray(truth_nk).shape[1])
    ]
    return np.stack(columns, axis=-1)


def mean_over_findings(values: Array) -> Array:
    """``(..., k)`` → ``(...)``: mean of the finite entries; NaN where there is none."""
    defined = np.isfinite(values)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    count = defined.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def mean_by_support(values: Array, support: Array) -> Array:
    """``(..., k)`` twice → ``(...)``: mean weighted by ``support``, over the findings that have any.

    Of F1 and the number of positives it is scikit-learn's ``average="weighted"``. NaN where no finding has support.
    """
    total = np.where(support > 0, np.nan_to_num(values) * support, 0.0).sum(axis=-1)
    return ratio(total, support.sum(axis=-1))
