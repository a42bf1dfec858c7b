from __future__ import annotations

import numpy as np
import pytest

from components.acquisition.greedy_cover import Cover
from tests.components.acquisition.pools import rng


@pytest.mark.parametrize("seed", range(8))
def test_lazy_gains_choose_as_a_full_count_does(seed: int) -> None:
    """Brute force: the worth of the set with the candidate less that without, per minute, of all candidates."""
    generator = rng(seed)
    closeness, near = generator.random((9, 7)), generator.uniform(0.5, 1.0, 7)
    value, minutes = generator.random(7), generator.uniform(1.0, 3.0, 9)

    def worth(taken: list[int]) -> float:
        left = np.minimum(near, closeness[taken].min(axis=0)) if taken else near
        return float((value * (near - left)).sum())

    cover, left, taken = (
        Cover(closeness=closeness, near=near, value=value, minutes=minutes),
        np.ones(9, bool),
        [],
    )
    for _ in range(6):
        rates = [(worth([*taken, j]) - worth(taken)) / minutes[j] if left[j] else -1.0 for j in range(9)]
        remaining = float((value * near).sum()) - worth(taken)
        best, share = cover.best(left)
        assert rates[best] == pytest.approx(max(rates), abs=1e-12)
        assert share == pytest.approx(rates[best] * minutes[best] / remaining)
        cover.take(best)
        left[best] = False
        taken.append(best)


def test_two_values_of_one_pool_share_what_was_taken() -> None:
    closeness = np.array([[0.0, 9.0], [9.0, 0.0]])
    cover = Cover(
        closeness=closeness, near=np.array([9.0, 9.0]), value=np.array([1.0, 2.0]), minutes=np.ones(2)
    )
    other = cover.valued(np.array([5.0, 1.0]))
    assert (cover.best(np.ones(2, bool))[0], other.best(np.ones(2, bool))[0]) == (1, 0)
    cover.take(0)
    assert (cover.gain(0), cover.gain(1), other.gain(0)) == (0.0, 18.0, 45.0)
