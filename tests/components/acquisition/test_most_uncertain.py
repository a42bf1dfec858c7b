from __future__ import annotations

import numpy as np

from components.acquisition.most_uncertain import most_uncertain
from tests.components.acquisition.pools import choose, numbers, pool_of


def test_highest_first_and_what_is_unknown_last() -> None:
    cards = pool_of(uncertainty=[0.1, 0.9, np.nan, 0.5])
    assert numbers(choose(most_uncertain, cards, 4)) == [1, 3, 0, 2]


def test_equal_patients_are_drawn_in_random_order() -> None:
    firsts = {
        numbers(choose(most_uncertain, pool_of(uncertainty=[0.5] * 4), 1, seed=seed))[0] for seed in range(60)
    }
    assert firsts == {0, 1, 2, 3}
