from __future__ import annotations

import numpy as np

from components.acquisition.entropy import entropy
from tests.components.acquisition.pools import choose, numbers, pool_of


def test_highest_first_and_what_is_unknown_last() -> None:
    cards = pool_of(predictive_entropy=[0.1, 0.9, np.nan, 0.5])
    assert numbers(choose(entropy, cards, 4)) == [1, 3, 0, 2]


def test_the_fair_coin_comes_before_the_loaded_ones() -> None:
    """Closed form: H(p) = -p log p - (1 - p) log(1 - p) is highest, log 2, at one half."""
    p = np.array([0.1, 0.5, 0.8])
    entropies = -p * np.log(p) - (1 - p) * np.log(1 - p)
    chosen = choose(entropy, pool_of(predictive_entropy=entropies.tolist()), 3)
    assert numbers(chosen) == [1, 2, 0]
    assert chosen[0].score == np.log(2)
