"""Confidence bounds for the means of few paired differences, many means at once.

The bootstrap-t (Efron & Tibshirani 1993, ch. 12.5) draws patients; all draws of all columns are two matrix products.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from components.metrics.weighting import Array, ratio

_FLAT = 1e-9  # of the standard error: a draw with less spread has none


class Bounds(NamedTuple):
    """``(k,)`` each: the means and their one-sided bounds, either of which misses with probability alpha."""

    mean: Array
    lower: Array
    upper: Array


def mean_lower_bound(
    values: Array, *, alpha: float, seed: int, draws: int = 4000, degrees: int | None = None
) -> float:
    """The lower bound of ``mean_bounds`` for one column ``(n,)``."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    return float(mean_bounds(column, alpha=alpha, seed=seed, draws=draws, degrees=degrees).lower[0])


def mean_bounds(
    values_nk: Array, *, alpha: float, seed: int, draws: int = 4000, degrees: int | None = None
) -> Bounds:
    """One-sided ``1 - alpha`` bounds for the means of independent rows, one per patient, none missing.

    The wider of two on each side. The bootstrap-t follows skewness, but has too little room in heavy symmetric tails
    at n near 8; Student's t is the reverse. The percentile bootstrap is anti-conservative at such n. Not even this
    can see a rare disaster that no patient has shown.

    Args:
        degrees: of freedom of Student's t; n - 1 unless given. Fewer where not every row tells as much: pseudo-values
            of an AUROC know no more than the rarer class does.

    Infinite below two rows. Values that are all equal have bounds equal to themselves.
    """
    values = np.asarray(values_nk, dtype=np.float64)
    n, k = values.shape
    if n < 2:
        mean = values.mean(axis=0) if n else np.full(k, np.nan)
        return Bounds(mean, np.full(k, -np.inf), np.full(k, np.inf))
    mean, error = values.mean(axis=0), _standard_error(values)
    ranked = np.sort(_studentised(values, _counts(n, seed, draws)), axis=0)
    place = min(int(np.ceil((1.0 - alpha) * draws)), draws) - 1
    student = float(stats.t.ppf(1.0 - alpha, degrees or n - 1))
    low, high = np.maximum(student, ranked[place]), np.maximum(student, -ranked[draws - 1 - place])
    with np.errstate(invalid="ignore"):
        return Bounds(
            mean,
            np.where(error > 0, mean - low * error, mean),
            np.where(error > 0, mean + high * error, mean),
        )


def shared_level(values_nk: Array, *, alpha: float, seed: int, draws: int = 4000) -> float:
    """The level at which each of k lower bounds misses so that any of them does with probability ``alpha``.

    The step-down min-P of Westfall & Young (1993, ch. 2.3), its first step, which is all that "at least one" needs:
    each column's deviate t* is turned into its own p-value, so that a small stratum with its long tails does not widen
    the others' bounds, and ``alpha``'s quantile of the smallest p-value of a draw is the level. Patients are drawn
    with all their columns, so that correlated ones (a stratum is a part of the whole, structures share a scan) cost
    less than Holm's correction. Never below Bonferroni's ``alpha / k``, which holds whatever the correlation.

    Args:
        values_nk: NaN where a patient has no value in a column; k >= 1.
    """
    values = np.asarray(values_nk, dtype=np.float64)
    n, k = values.shape
    if k == 1 or n < 2:
        return alpha / float(k)
    deviate = _studentised(values, _counts(n, seed, draws))
    rank = np.argsort(np.argsort(-deviate, axis=0, kind="stable"), axis=0, kind="stable")
    smallest = np.sort(((rank + 1) / draws).min(axis=1))
    level = float(smallest[max(int(alpha * draws) - 1, 0)])
    return min(max(level, alpha / float(k)), alpha)


@lru_cache(maxsize=64)  # drawing costs more than all that is computed of it
def _counts(n: int, seed: int, draws: int) -> Array:
    """``(draws, n)``, read-only: how often each of n patients was drawn, n at a time."""
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(n, np.full(n, 1.0 / n), size=draws).astype(np.float64)
    counts.flags.writeable = False
    return counts


def _standard_error(values_nk: Array) -> Array:
    """``(k,)`` of the means; 0 where the values differ by rounding only, and NaN below two of them."""
    known = np.isfinite(values_nk)
    count = known.sum(axis=0).astype(np.float64)
    clean = np.where(known, values_nk, 0.0)
    mean = ratio(clean.sum(axis=0), count)
    spread = np.where(known, values_nk - mean, 0.0)
    error = np.sqrt(ratio((spread**2).sum(axis=0), np.where(count > 1, count * (count - 1.0), 0.0)))
    # Differences of equal scores carry rounding noise; a spread below it is no spread.
    return np.where(error <= 1e-12 * np.maximum(1.0, np.abs(mean)), 0.0, error)


def _studentised(values_nk: Array, counts_dn: Array) -> Array:
    """``(d, k)``: (mean* - mean) / error* of each draw; ±inf where a draw has no spread, 0 where it has no shift."""
    known = np.isfinite(values_nk).astype(np.float64)
    count = known.sum(axis=0)
    centred = np.where(known > 0, values_nk - np.where(known > 0, values_nk, 0.0).sum(axis=0) / count, 0.0)
    drawn = counts_dn @ known if (known == 0).any() else np.broadcast_to(count, (len(counts_dn), count.size))
    safe = np.maximum(drawn, 1.0)
    shift = counts_dn @ centred / safe
    variance = np.maximum(counts_dn @ centred**2 / safe - shift**2, 0.0)
    error = np.sqrt(variance / np.maximum(drawn - 1.0, 1.0))
    flat = (error <= _FLAT * np.nan_to_num(_standard_error(values_nk))) | (drawn < 2.0)
    whole = np.where(flat, 1.0, error)
    beyond = np.where(np.abs(shift) <= 1e-15, 0.0, np.copysign(np.inf, shift))
    return np.where(flat, beyond, shift / whole)
