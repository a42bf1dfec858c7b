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
_WEIGHTS_AT_A_TIME = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its percentile interval over resampled patients; ``patients`` is their number.

    ``low`` and ``high`` are NaN when there are fewer than two patients or the statistic is mostly undefined.
    """

    value: float
    low: float
    high: float
    patients: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Patients with what is measured on them: ``patients`` ``(n,)``, one per sample, and a statistic."""

    patients: Sequence[str]
    statistic: Statistic

    @property
    def size(self) -> int:
        """Number of patients."""
        return len(set(self.patients))

    @property
    def value(self) -> float:
        """The statistic of all as they are; NaN without anybody."""
        return float(self.statistic(np.ones(len(self.patients)))) if self.size else float("nan")


def patient_weights(patients: Sequence[str], *, seed: int, draws: int) -> Array:
    """``(draws, n)``, read-only: how often each sample's patient was drawn, with replacement, as many as there are."""
    return _patient_weights(tuple(map(str, patients)), seed, draws)


@lru_cache(maxsize=1)  # drawing costs more than most statistics, and many are computed on the same patients
def _patient_weights(patients: tuple[str, ...], seed: int, draws: int) -> Array:
    weights = _drawn(patients, np.random.default_rng(seed), draws)
    weights.flags.writeable = False
    return weights


def _drawn(patients: Sequence[str], generator: np.random.Generator, draws: int) -> Array:
    names, index = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    counts = generator.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=draws)
    weights: Array = counts[:, index].astype(np.float64)
    return weights


def bootstrap_interval(
    patients: Sequence[str],
    statistic: Statistic,
    *,
    seed: int,
    draws: int = 2000,
    level: float = 0.95,
    centred: bool = False,
) -> Interval:
    """The statistic and its percentile interval (Efron & Tibshirani 1993, ch. 13).

    Args:
        patients: ``(n,)`` the patient of each sample.
        statistic: weights ``(..., n)`` → ``(...)``. For a paired difference, subtract two statistics inside.
        centred: move the draws so that their mean is the value. For a statistic that resampling itself inflates
            (a calibration error, which counts noise of either sign), the interval would else miss the value.

    Draws in which the statistic is undefined are left out; if that is half of them, there is no interval.
    """
    group = Group(patients=patients, statistic=statistic)
    enough = group.size >= 2
    samples = _resampled(group, seed, draws) if enough else np.empty(0)
    return _interval(group.value, samples, group.size, level, centred)


def paired_difference(first: Statistic, second: Statistic) -> Statistic:
    """The statistic ``first - second`` on the same resampled patients."""
    return lambda weight: first(weight) - second(weight)


def unpaired_difference(
    first: Group,
    second: Group,
    *,
    seed: int,
    draws: int = 2000,
    level: float = 0.95,
    centred: bool = False,
) -> Interval:
    """``first`` - ``second`` of different patients, each group drawn apart (two-sample bootstrap).

    Efron & Tibshirani 1993, ch. 8.3. No interval when a group has fewer than two patients. ``centred`` as above.
    """
    value, patients = first.value - second.value, first.size + second.size
    if min(first.size, second.size) < 2:
        return _interval(value, np.empty(0), patients, level, centred)
    generators = np.random.default_rng(seed).spawn(2)
    drawn = [_resampled(group, own, draws) for group, own in zip((first, second), generators, strict=True)]
    return _interval(value, drawn[0] - drawn[1], patients, level, centred)


def _resampled(group: Group, seed: int | np.random.Generator, draws: int) -> Array:
    """``(draws,)``: the statistic of each draw, some draws at a time, so that memory does not grow with them."""
    step = max(1, _WEIGHTS_AT_A_TIME // len(group.patients))
    if isinstance(seed, int) and step >= draws:
        return group.statistic(patient_weights(group.patients, seed=seed, draws=draws))
    generator = np.random.default_rng(seed)
    parts = [
        group.statistic(_drawn(group.patients, generator, min(step, draws - start)))
        for start in range(0, draws, step)
    ]
    return np.concatenate(parts)


def _interval(value: float, samples: Array, patients: int, level: float, centred: bool) -> Interval:
    defined = samples[np.isfinite(samples)]
    if defined.size == 0 or defined.size < samples.size / 2:
        return Interval(value=value, low=float("nan"), high=float("nan"), patients=patients)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail]) + (value - defined.mean() if centred else 0.0)
    return Interval(value=value, low=float(low), high=float(high), patients=patients)
