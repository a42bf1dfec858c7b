"""The axes on which a kernel test sees patients: standardised columns, or whitened principal axes.

Both come from all patients, reference and window together, so that permuting patients leaves them alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_AXES = 16  # whitened ones of a view; and at most one for four patients, else all are equally far apart
LEAST_SPREAD = 0.1  # of the first axis; what varies less is mostly rounding and chance


def standardised(values_nd: Floats) -> Floats:
    """``(n, d)`` columns of mean 0 and standard deviation 1; columns that do not vary, or lack values, are left out."""
    spread = values_nd.std(axis=0)
    varying = np.isfinite(spread) & (spread > 1e-12)
    return np.asarray((values_nd[:, varying] - values_nd[:, varying].mean(axis=0)) / spread[varying])


def whitened(values_nd: Floats) -> Floats:
    """``(n, k)`` uncorrelated axes of standard deviation 1: distances are Mahalanobis distances on the first axes.

    A change against the usual correlation of the columns is far here, and hardly seen in any column.
    """
    standard = standardised(values_nd)
    axes, spread, _ = np.linalg.svd(standard, full_matrices=False)
    most = max(1, min(MOST_AXES, len(standard) // 4))
    kept = (spread > LEAST_SPREAD * spread.max(initial=0.0))[:most]
    return np.asarray(axes[:, :most][:, kept] * np.sqrt(len(standard)))


def side_by_side(views: Sequence[Floats]) -> Floats:
    """``(n, sum of d)`` of axes with standard deviation 1, views of the same weight: none rules by many columns."""
    return np.concatenate([view / np.sqrt(view.shape[1]) for view in views if view.shape[1]], axis=1)
