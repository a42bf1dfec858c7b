from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.acquisition.bald import bald
from tests.components.acquisition.pools import choose, numbers, pool_of

Floats = npt.NDArray[np.float64]


def information(members: list[float]) -> float:
    """Of binary predictions: H(mean) - mean H."""

    def entropy(p: Floats) -> Floats:
        p = np.clip(p, 1e-300, 1 - 1e-16)
        return np.asarray(-p * np.log(p) - (1 - p) * np.log1p(-p))

    p = np.array(members)
    return float(entropy(p.mean(keepdims=True))[0] - entropy(p).mean())


def test_members_that_doubt_alike_tell_nothing_and_sure_ones_that_differ_most() -> None:
    """Closed forms: identical members 0, two sure opposites log 2."""
    found = [information([0.5, 0.5]), information([0.0, 1.0]), information([0.3, 0.7])]
    np.testing.assert_allclose(found[:2], [0.0, np.log(2)], atol=1e-12)
    assert numbers(choose(bald, pool_of(mutual_information=found), 3)) == [1, 2, 0]
