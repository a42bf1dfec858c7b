"""Whether probabilities mean what they say. Arguments as in ``components.metrics.weighting``."""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

from components.metrics.weighting import Array, known, ratio

EPSILON = 1e-6


def brier(truth: Array, probability: Array, weight: Array | None = None) -> Array:
    """Mean squared difference of probability and outcome (Brier 1950); a proper score, 0 is best."""
    truth, weight = known(truth, weight)
    return ratio(weight @ (np.asarray(probability) - truth) ** 2, weight.sum(axis=-1))


def ece(truth: Array, probability: Array, weight: Array | None = None, *, bins: int = 10) -> Array:
    """Expected calibration error over equal-width bins of the probability (Guo et al. 2017, eq. 3).

    A binary finding: in each bin, the share of positives against the mean probability.
    """
    truth, weight = known(truth, weight)
    in_bin = bin_of(probability, bins)[:, None] == np.arange(bins)
    gap = (np.asarray(probability) - truth)[:, None] * in_bin
    return ratio(np.abs(weight @ gap).sum(axis=-1), weight.sum(axis=-1))


def reliability(
    truth: Array, probability: Array, weight: Array | None = None, *, bins: int = 10
) -> tuple[Array, Array, Array]:
    """(mean probability, share of positives, weight) of each bin ``(..., bins)``; NaN in empty bins."""
    truth, weight = known(truth, weight)
    in_bin = (bin_of(probability, bins)[:, None] == np.arange(bins)).astype(np.float64)
    count = weight @ in_bin
    said = ratio((weight * np.asarray(probability)) @ in_bin, count)
    return said, ratio((weight * truth) @ in_bin, count), count


def wilson_interval(share: Array, count: Array, *, level: float = 0.95) -> tuple[Array, Array]:
    """(low, high) of a share of ``count`` independent samples (Wilson 1927); NaN where there is none.

    ``count`` may be a sum of weights.
    """
    z = float(stats.norm.ppf(0.5 + level / 2.0))
    count = np.where(count > 0, count, np.nan)
    centre = (share + z**2 / (2.0 * count)) / (1.0 + z**2 / count)
    half = z * np.sqrt(share * (1.0 - share) / count + z**2 / (4.0 * count**2)) / (1.0 + z**2 / count)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def temper(probability: Array, temperature: float) -> Array:
    """sigmoid(logit(p) / T): T > 1 pulls towards 1/2 (temperature scaling, Guo et al. 2017)."""
    clipped = np.clip(np.asarray(probability, dtype=np.float64), EPSILON, 1.0 - EPSILON)
    logit = np.log(clipped) - np.log1p(-clipped)
    return np.asarray(1.0 / (1.0 + np.exp(-logit / temperature)))


def fit_temperature(truth: Array, probability: Array, *, bounds: tuple[float, float] = (0.25, 4.0)) -> float:
    """The temperature of least log loss within ``bounds``; 1 when both classes are not present."""
    truth = np.asarray(truth, dtype=np.float64)
    chosen = ~np.isnan(truth)
    truth, probability = truth[chosen], np.asarray(probability, dtype=np.float64)[chosen]
    if np.unique(truth).size < 2:
        return 1.0

    def log_loss(log_temperature: float) -> float:
        p = np.clip(temper(probability, float(np.exp(log_temperature))), EPSILON, 1.0 - EPSILON)
        return float(-np.mean(truth * np.log(p) + (1.0 - truth) * np.log1p(-p)))

    low, high = np.log(bounds)
    found = optimize.minimize_scalar(log_loss, bounds=(low, high), method="bounded")
    return float(np.exp(found.x))


def bin_of(probability: Array, bins: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """The equal-width bin of each probability, 0 … bins - 1."""
    return np.clip((np.asarray(probability) * bins).astype(np.intp), 0, bins - 1)
