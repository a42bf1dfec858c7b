from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from components.acquisition.core_set import core_set
from components.scorecard.embedding_space import distances
from tests.components.acquisition.pools import choose, numbers, points, pool_of, rng


def radius(places: np.ndarray, labelled: np.ndarray, chosen: list[int]) -> float:  # type: ignore[type-arg]
    centres = np.concatenate([labelled, places[chosen]])
    return float(distances(places, centres).min(axis=1).max())


@pytest.mark.parametrize("seed", range(6))
def test_the_cover_is_at_most_twice_as_wide_as_the_best(seed: int) -> None:
    """Greedy k-center is a 2-approximation (Gonzalez 1985); the best of all triples by brute force."""
    places, labelled = rng(seed).normal(size=(12, 2)), rng(seed + 50).normal(size=(2, 2))
    cards = pool_of(uncertainty=[0.5] * 12)
    chosen = choose(core_set, cards, 3, seed=seed, embeddings=points(cards, places, labelled))
    best = min(radius(places, labelled, list(three)) for three in combinations(range(12), 3))
    assert best - 1e-9 <= radius(places, labelled, numbers(chosen)) <= 2 * best + 1e-9


def test_each_choice_is_the_farthest_from_labelled_and_chosen_ones() -> None:
    places = np.array([[0.0], [1.0], [9.0], [10.0], [4.0]])
    cards = pool_of(uncertainty=[0.5] * 5)
    chosen = choose(core_set, cards, 3, embeddings=points(cards, places, [[0.0]]))
    assert numbers(chosen) == [3, 4, 1] or numbers(chosen) == [3, 4, 2]
    assert [one.score for one in chosen] == pytest.approx([10.0, 4.0, 1.0])


def test_a_twin_is_taken_last() -> None:
    places = np.array([[0.0, 0.0], [5.0, 5.0], [5.0, 5.0], [0.0, 7.0]])
    cards = pool_of(uncertainty=[0.5] * 4)
    for seed in range(5):
        chosen = numbers(choose(core_set, cards, 3, seed=seed, embeddings=points(cards, places)))
        assert not {1, 2} <= set(chosen)
