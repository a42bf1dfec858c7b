"""Weighted samples: one formula gives a metric's value and, with resampled weights, its bootstrap.

Throughout ``components.metrics``, a finding's metric takes

- ``truth``: ``(n,)``, 0, 1 or NaN for unknown (unknown samples get weight 0),
- ``probability``: ``(n,)`` in [0, 1],
- ``weight``: ``(..., n)`` non-negative, default all 1,

and returns an array of the weight's leading shape ``(...)``; NaN where it is undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]


def known(truth: Array, weight: Array | None) -> tuple[Array, Array]:
    """``truth`` without NaN and ``weight`` with 0 there."""
    truth = np.asarray(truth, dtype=np.float64)
    weight = np.ones(truth.shape) if weight is None else np.asarray(weight, dtype=np.float64)
    unknown = np.isnan(truth)
    return np.where(unknown, 0.0, truth), np.where(unknown, 0.0, weight)


def ratio(numerator: Array, denominator: Array) -> Array:
    """Element-wise quotient; NaN where the denominator is 0."""
    numerator, denominator = np.asarray(numerator), np.asarray(denominator)
    safe = np.where(denominator == 0, 1.0, denominator)
    return np.where(denominator == 0, np.nan, numerator / safe)


def weighted_mean(values: Array, weight: Array | None = None) -> Array:
    """Mean of ``values`` ``(n,)`` over their finite entries."""
    clean, weight = known(values, weight)
    return ratio(weight @ clean, weight.sum(axis=-1))


def patient_share(patients: Sequence[str], truth: Array) -> Array:
    """``(n, …)`` as ``truth``: 1 / number of the patient's samples with a known truth, 0 where it is unknown.

    As a weight, it lets a patient with many reconstructions count as much as one with a single scan.

    Args:
        patients: ``(n,)`` the patient of each sample.
        truth: ``(n,)`` or ``(n, findings)``; NaN = unknown.
    """
    names, index = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    sure = (~np.isnan(truth)).astype(np.float64)
    counts = np.zeros((len(names), *sure.shape[1:]))
    np.add.at(counts, index, sure)
    return sure / np.maximum(counts[index], 1.0)
