"""A lower confidence bound for the mean of few paired differences."""

from __future__ import annotations

import numpy as np
from scipy import stats

from components.metrics.weighting import Array


def mean_lower_bound(values: Array, *, alpha: float, seed: int, draws: int = 4000) -> float:
    """One-sided lower ``1 - alpha`` bound for the mean of independent ``values``, one per patient.

    The smaller of two bounds. The bootstrap-t (Efron & Tibshirani 1993, ch. 12.5) follows skewness, but has
    too little room in heavy symmetric tails at n near 8; Student's t is the reverse. The percentile bootstrap
    is anti-conservative at such n. Not even this can see a rare disaster that no patient has shown.

    Returns -inf below two values. Values that are all equal have a bound equal to themselves.
    """
    values = np.asarray(values, dtype=np.float64)
    n = values.size
    if n < 2:
        return float("-inf")
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
    # Differences of equal scores carry rounding noise; a spread below it is no spread.
    if error <= 1e-12 * max(1.0, abs(mean)):
        return mean
    student = float(stats.t.ppf(1.0 - alpha, n - 1))
    ranked = np.sort(_studentised(values, error, seed=seed, draws=draws))
    bootstrap = float(ranked[min(int(np.ceil((1.0 - alpha) * draws)), draws) - 1])
    return mean - max(student, bootstrap) * error


def _studentised(values: Array, error: float, *, seed: int, draws: int) -> Array:
    """(mean* - mean) / error* of each draw; ±inf where a draw has no spread."""
    n = values.size
    drawn = values[np.random.default_rng(seed).integers(0, n, size=(draws, n))]
    shift = drawn.mean(axis=1) - values.mean()
    spread = drawn.std(axis=1, ddof=1) / np.sqrt(n)
    flat = spread <= 1e-9 * error
    ratio = shift / np.where(flat, 1.0, spread)
    return np.where(flat, np.where(shift == 0.0, 0.0, np.copysign(np.inf, shift)), ratio)
