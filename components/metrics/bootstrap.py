"""Patient-level bootstrap: frames of one patient are no independent evidence, so patients are drawn.

A statistic is a function of weights: ``(..., n)`` → ``(...)`` over n samples, as in
``components.metrics.weighting``; all draws are computed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from components.metrics.weighting import Array

Statistic = Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its percentile interval over resampled patients; ``patients`` is their number.

    ``low`` and ``high`` are NaN when there are fewer than two patients or the statistic is mostly undefined.
    """

    value: float
    low: float
    high: float
    patients: int


def patient_weights(patients: Sequence[str], *, seed: int, draws: int) -> Array:
    """``(draws, n)``, read-only: how often each sample's patient was drawn, with replacement, as many as there are."""
    return _patient_weights(tuple(map(str, patients)), seed, draws)


@lru_cache(maxsize=1)  # drawing costs more than most statistics, and many are computed on the same patients
def _patient_weights(patients: tuple[str, ...], seed: int, draws: int) -> Array:
    names, index = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=draws)
    weights: Array = counts[:, index].astype(np.float64)
    weights.flags.writeable = False
    return weights


def bootstrap_interval(
    patients: Sequence[str], statistic: Statistic, *, seed: int, draws: int = 2000, level: float = 0.95
) -> Interval:
    """The statistic and its percentile interval (Efron & Tibshirani 1993, ch. 13).

    Args:
        patients: ``(n,)`` the patient of each sample.
        statistic: weights ``(..., n)`` → ``(...)``. For a paired difference, subtract two statistics inside.

    Draws in which the statistic is undefined are left out; if that is half of them, there is no interval.
    """
    value = float(statistic(np.ones(len(patients)))) if len(patients) else float("nan")
    count = len(set(patients))
    if count < 2:
        return Interval(value=value, low=float("nan"), high=float("nan"), patients=count)
    samples = statistic(patient_weights(patients, seed=seed, draws=draws))
    samples = samples[np.isfinite(samples)]
    if samples.size < draws / 2:
        return Interval(value=value, low=float("nan"), high=float("nan"), patients=count)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail])
    return Interval(value=value, low=float(low), high=float(high), patients=count)


def paired_difference(first: Statistic, second: Statistic) -> Statistic:
    """The statistic ``first - second`` on the same resampled patients."""
    return lambda weight: first(weight) - second(weight)


def unpaired_difference(
    first: Array, second: Array, *, seed: int, draws: int = 2000, level: float = 0.95
) -> Interval:
    """Mean of ``first`` - mean of ``second`` of different patients, each group drawn apart (two-sample bootstrap).

    Efron & Tibshirani 1993, ch. 8.3. No interval when a group has fewer than two patients.

    Args:
        first, second: one finite value per patient.
    """
    value = float(first.mean() - second.mean()) if first.size and second.size else float("nan")
    count = first.size + second.size
    if min(first.size, second.size) < 2:
        return Interval(value=value, low=float("nan"), high=float("nan"), patients=count)
    generator = np.random.default_rng(seed)
    drawn = [
        values[generator.integers(0, values.size, size=(draws, values.size))].mean(axis=1)
        for values in (first, second)
    ]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(drawn[0] - drawn[1], [tail, 1.0 - tail])
    return Interval(value=value, low=float(low), high=float(high), patients=count)
