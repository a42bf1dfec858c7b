"""How well two readers agree beyond chance.

Arguments as in ``components.metrics.weighting``.
"""

from __future__ import annotations

import numpy as np

from components.metrics.weighting import Array, known, ratio


def cohens_kappa(first: Array, second: Array, weight: Array | None = None) -> Array:
    """(p_o - p_e) / (1 - p_e) of two readers' 0 or 1 for the same cases ``(n,)``; NaN = not answered.

    Cohen, "A Coefficient of Agreement for Nominal Scales", 1960, eq. 1. NaN where both readers said the same of every
    case: chance then explains all of it.
    """
    one, weight = known(first, weight)
    two, weight = known(second, weight)
    total = weight.sum(axis=-1)
    observed = ratio(weight @ (one == two).astype(np.float64), total)
    yes_one, yes_two = ratio(weight @ one, total), ratio(weight @ two, total)
    by_chance = yes_one * yes_two + (1.0 - yes_one) * (1.0 - yes_two)
    return ratio(observed - by_chance, 1.0 - by_chance)
