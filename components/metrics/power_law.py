"""How quality grows with the number of labels: an inverse power law, and what more labels would give.

Cortes et al., "Learning Curves: Asymptotic Values and Rate of Convergence", NeurIPS 1994, eq. 3: error = a + b / n^α.
Hestness et al., "Deep Learning Scaling is Predictable, Empirically", 2017, arXiv 1712.00409, eq. 1, the same. Here
quality = ceiling - span · n^-rate, with 0 <= ceiling <= 1 and span >= 0: more labels may not help, but do not hurt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from components.errors import InputError
from components.metrics.weighting import Array

FEWEST = 3  # numbers of labels that differ: the law has three unknowns
# Hestness et al. measured 0.07 to 0.35 in deep networks, theory says 0.5 to 1; we chose the room around these.
_RATES: Array = np.geomspace(0.05, 2.0, 60)
_LEAST_ERROR = 1e-3  # quality points that all patients agree on are not known better than this


@dataclass(frozen=True, kw_only=True)
class LearningPoint:
    """Quality in [0, 1] of a model that learned from ``labels`` labels, with its standard error."""

    labels: int
    quality: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What ``labels`` labels should give, with percentile intervals.

    ``gain`` is the quality there less that of the law at the largest number of labels measured.
    """

    labels: int
    quality: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class PowerLaw:
    """Fitted laws, ``(d,)`` each: the first to the points as measured, the others to draws of them."""

    ceiling: Array
    span: Array
    rate: Array
    most_labels: int
    level: float

    def quality(self, labels: Array) -> Array:
        """``(m,)`` numbers of labels → ``(d, m)``, within [0, 1]."""
        drop = self.span[:, None] * np.asarray(labels, dtype=np.float64)[None, :] ** -self.rate[:, None]
        return np.clip(self.ceiling[:, None] - drop, 0.0, 1.0)

    def forecast(self, more: int) -> Forecast:
        """``more`` labels beyond the most that were measured."""
        labels = self.most_labels + more
        now, then = self.quality(np.array([self.most_labels, labels], dtype=np.float64)).T
        (low, high), (gain_low, gain_high) = self.interval(then), self.interval(then - now)
        return Forecast(
            labels=labels, quality=float(then[0]), low=low, high=high, gain=float(then[0] - now[0]),
            gain_low=gain_low, gain_high=gain_high,
        )  # fmt: skip

    def interval(self, values: Array) -> tuple[float, float]:
        """The percentile interval of ``(d,)`` values, one per law, widened where it misses that of the first."""
        tail = (1.0 - self.level) / 2.0
        low, high = np.quantile(values, [tail, 1.0 - tail])
        return float(min(low, values[0])), float(max(high, values[0]))


def standard_error(low: float, high: float, *, level: float) -> float:
    """Of a value whose ``level`` interval is taken for a normal one."""
    return max((high - low) / (2.0 * float(stats.norm.ppf(0.5 + level / 2.0))), _LEAST_ERROR)


def fit_power_law(
    points: Sequence[LearningPoint], *, seed: int, draws: int = 1000, level: float = 0.95
) -> PowerLaw | None:
    """Least squares weighted by the points' own errors; ``None`` below ``FEWEST`` different numbers of labels.

    The parametric bootstrap (Efron & Tibshirani 1993, ch. 6.5) draws each point's quality from a normal distribution
    around it. Points that were judged on the same patients err alike, which is not known here: a gain's interval is
    then wider than need be. Raises ``InputError`` for a point without labels, at which the law has no value.
    """
    if any(point.labels < 1 for point in points):
        raise InputError(expected="points with labels", got="one with none", hint="leaving it out")
    if len({point.labels for point in points}) < FEWEST:
        return None
    labels, quality, error = (
        np.array([getattr(point, name) for point in points], dtype=np.float64)
        for name in ("labels", "quality", "standard_error")
    )
    noise = np.random.default_rng(seed).standard_normal((draws, len(points))) * error
    drawn = np.concatenate([quality[None], np.clip(quality + noise, 0.0, 1.0)])
    ceiling, span, rate = _fit(labels, drawn, 1.0 / error**2)
    most = max(point.labels for point in points)
    return PowerLaw(ceiling=ceiling, span=span, rate=rate, most_labels=most, level=level)


def _fit(labels_n: Array, quality_dn: Array, weight_n: Array) -> tuple[Array, Array, Array]:
    """Variable projection: at each rate the law is linear in ceiling and span; the rate that fits best is kept."""
    found = [_at_rate(labels_n**-rate, quality_dn, weight_n) for rate in _RATES]
    loss = np.stack([loss for *_, loss in found])
    best, draw = loss.argmin(axis=0), np.arange(len(quality_dn))
    ceiling, span = (np.stack([one[part] for one in found])[best, draw] for part in (0, 1))
    return ceiling, span, _RATES[best]


def _at_rate(x_n: Array, y_dn: Array, weight_n: Array) -> tuple[Array, Array, Array]:
    """Ceiling, span and weighted squared loss ``(d,)`` of the best allowed y = ceiling - span · x.

    The loss is convex: where the free optimum is not allowed, the best one lies on an edge.
    """
    share = weight_n / weight_n.sum()
    x_mean, y_mean = share @ x_n, y_dn @ share
    spread = share @ (x_n - x_mean) ** 2
    free = -(((y_dn - y_mean[:, None]) * (x_n - x_mean)) @ share) / spread
    at_one = np.maximum((1.0 - y_dn) @ (share * x_n) / (share @ x_n**2), 0.0)
    flat = np.zeros_like(free)
    ceiling = np.stack([y_mean + free * x_mean, np.ones_like(free), np.clip(y_mean, 0.0, 1.0)])
    span = np.stack([free, at_one, flat])
    loss = ((y_dn - ceiling[..., None] + span[..., None] * x_n) ** 2) @ weight_n
    allowed = (span >= 0.0) & (ceiling >= 0.0) & (ceiling <= 1.0)
    best = np.where(allowed, loss, np.inf).argmin(axis=0)
    draw = np.arange(len(y_dn))
    return ceiling[best, draw], span[best, draw], loss[best, draw]
