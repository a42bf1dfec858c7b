from itertools import combinations

import numpy as np
import pytest

from components.scorecard.uncertainty import PairCounts, binary_entropy_bits, mean_pairwise_dice


def test_identical_members_agree_fully_and_disjoint_ones_not_at_all() -> None:
    one = np.zeros((2, 4, 4), dtype=np.uint8)
    one[:, 1] = 1
    other = np.zeros_like(one)
    other[:, 2] = 1
    assert mean_pairwise_dice(np.stack([one, one, one]), 2) == 1.0
    assert mean_pairwise_dice(np.stack([one, other]), 2) == 0.0


def test_half_overlap_by_hand() -> None:
    first, second = np.zeros((2, 1, 1, 4), dtype=np.uint8)
    first[..., :2], second[..., 1:3] = 1, 1
    assert mean_pairwise_dice(np.stack([first, second]), 2) == pytest.approx(2 * 1 / 4)


def test_empty_members_agree() -> None:
    assert mean_pairwise_dice(np.zeros((3, 2, 2, 2), dtype=np.uint8), 5) == 1.0


def test_against_brute_force() -> None:
    members = np.random.default_rng(0).integers(0, 4, (3, 5, 5, 5)).astype(np.uint8)
    members[members == 3] = 0  # class 3 exists in nobody, class 2 not in member 0
    members[0][members[0] == 2] = 0
    scores = []
    for i, j in combinations(range(3), 2):
        for value in (1, 2):
            a, b = members[i] == value, members[j] == value
            scores.append(2 * (a & b).sum() / (a.sum() + b.sum()) if (a | b).any() else 1.0)
    assert mean_pairwise_dice(members, 4) == pytest.approx(np.mean(scores))


def test_entropy_in_bits() -> None:
    assert binary_entropy_bits(np.array([0.5, 0.0, 1.0])) == pytest.approx([1.0, 0.0, 0.0], abs=1e-9)
    assert binary_entropy_bits(np.array([0.25])) == pytest.approx([0.25 * 2 + 0.75 * np.log2(4 / 3)])


def test_counts_of_slabs_add_up_to_those_of_the_volume() -> None:
    members = np.random.default_rng(3).integers(0, 4, (3, 12, 5, 6)).astype(np.uint8)
    parts = PairCounts.of(members[:, :5], 4) + PairCounts.of(members[:, 5:], 4)
    assert parts.mean_dice() == mean_pairwise_dice(members, 4)
    assert PairCounts.of(members[:1], 4).mean_dice() == 1.0
