from __future__ import annotations

import numpy as np

from components.acquisition.pairwise_dice import pairwise_dice
from components.scorecard.uncertainty import mean_pairwise_dice
from tests.components.acquisition.pools import choose, numbers, pool_of


def test_highest_first_and_what_is_unknown_last() -> None:
    cards = pool_of(pairwise_dice_disagreement=[0.1, 0.9, np.nan, 0.5])
    assert numbers(choose(pairwise_dice, cards, 4)) == [1, 3, 0, 2]


def test_it_ranks_by_what_the_members_draw() -> None:
    """Dice of 8 voxels and their half is 2 · 4 / 12; of equal masks 1; of disjoint ones 0."""
    members = np.zeros((3, 2, 1, 4, 4), dtype=np.uint8)
    members[:, 0, 0, :2] = 1
    members[0, 1, 0, :1] = members[1, 1, 0, :2] = members[2, 1, 0, 2:] = 1
    found = [1.0 - mean_pairwise_dice(pair, 2) for pair in members]
    np.testing.assert_allclose(found, [1 / 3, 0.0, 1.0])
    assert numbers(choose(pairwise_dice, pool_of(pairwise_dice_disagreement=found), 3)) == [2, 0, 1]
