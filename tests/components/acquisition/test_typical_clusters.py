from __future__ import annotations

import numpy as np
import pytest

from components.acquisition.typical_clusters import clusters, typical_clusters, typicality
from tests.components.acquisition.pools import choose, numbers, points, pool_of, rng


def test_typicality_is_one_over_the_mean_distance_within_the_cluster() -> None:
    """On a line at 0, 1 and 3: 1 / 2, 1 / 1.5 and 1 / 2.5; the point at 100 is alone."""
    places = np.array([[0.0], [1.0], [3.0], [100.0]])
    assert typicality(places, np.array([0, 0, 0, 1])).tolist() == pytest.approx(
        [1 / 2, 1 / 1.5, 1 / 2.5, 0.0]
    )


def test_one_typical_patient_of_each_cluster_the_largest_first() -> None:
    rings = [
        np.array([[0.0, 0.0], [1, 0], [-1, 0], [0, 1], [0, -1], [0.8, 0.8]][:size]) for size in (6, 5, 5)
    ]
    places = np.concatenate(
        [ring + centre for ring, centre in zip(rings, ([0, 0], [50, 0], [0, 50]), strict=True)]
    )
    cards = pool_of(uncertainty=[0.5] * 16)
    chosen = numbers(choose(typical_clusters, cards, 3, embeddings=points(cards, places)))
    assert chosen[0] == 0
    assert set(chosen) == {0, 6, 11}


def test_a_cluster_with_a_label_waits() -> None:
    places = np.concatenate([rng().normal(size=(6, 2)), rng(1).normal(size=(9, 2)) + 50])
    cards = pool_of(uncertainty=[0.5] * 15)
    space = points(cards, places, [[50.0, 50.0]])
    assert numbers(choose(typical_clusters, cards, 1, embeddings=space))[0] < 6


def test_points_that_coincide_are_one_cluster() -> None:
    assert clusters(np.ones((5, 2)), 3, rng()).tolist() == [0] * 5
    assert clusters(np.zeros((5, 0)), 3, rng()).tolist() == [0] * 5
