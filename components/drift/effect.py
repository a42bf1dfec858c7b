"""How far apart reference and window are, with an interval, whatever the p-value says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEVEL = 0.95


def effect_interval(distances_b: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Observed distance and the ends of its interval.

    A distance that is a norm (Kolmogorov-Smirnov, total variation, MMD) differs from that of the populations by at
    most the distance of the sampling errors (triangle inequality). What these reach, permutations show: with
    probability ``LEVEL`` at most the same quantile of the permuted distances, exactly so without a drift, and nearly
    so with one, since patients are as many.

    Args:
        distances_b: ``(1 + permutations,)``, the observed one first.
    """
    observed, reach = float(distances_b[0]), float(np.quantile(distances_b[1:], LEVEL, method="higher"))
    return observed, max(0.0, observed - reach), observed + reach
