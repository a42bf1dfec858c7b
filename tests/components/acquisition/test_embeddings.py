from __future__ import annotations

import numpy as np
import pytest

from components.acquisition.embeddings import Embeddings, nearest_labelled
from components.acquisition.scorecards import Scorecards
from components.errors import InputError
from components.scorecard.columns import EMBEDDING, IMAGE
from components.scorecard.embedding_space import distances
from tests.components.acquisition.pools import pool_of, rng
from tests.components.drift.population import scorecards


def test_few_axes_keep_the_distances_of_low_rank_points() -> None:
    """Sixteen axes hold all of twenty columns of rank three."""
    values = rng().normal(size=(25, 3)) @ rng(1).normal(size=(3, 20))
    cards = pool_of(**{f"embedding_{i:03d}": values[:, i] for i in range(20)})
    space = Embeddings.of(cards, weights={EMBEDDING: 1.0})
    whole = Embeddings.of(cards, weights={EMBEDDING: 1.0}, components=99)
    assert space.points_nd.shape == (25, 16)
    assert whole.points_nd.shape == (25, 20)
    np.testing.assert_allclose(
        distances(space.points_nd, space.points_nd), distances(whole.points_nd, whole.points_nd), atol=1e-6
    )


def test_a_block_counts_by_its_weight_whatever_its_width() -> None:
    narrow, wide = rng().normal(size=(400, 2)), rng(1).normal(size=(400, 50))
    columns = {f"embedding_{i}": narrow[:, i] for i in range(2)} | {
        f"image_{i}": wide[:, i] for i in range(50)
    }
    points = Embeddings.of(pool_of(**columns), weights={EMBEDDING: 1.0, IMAGE: 0.25}, components=99).points_nd
    assert (points[:, :2] ** 2).sum(axis=1).mean() == pytest.approx(1.0, rel=0.05)
    assert (points[:, 2:] ** 2).sum(axis=1).mean() == pytest.approx(0.25, rel=0.05)


def test_labelled_patients_lie_in_the_same_space() -> None:
    table = scorecards(8, rng(), frames=3)
    twin = table[table["patient_id"] == "p003"].assign(patient_id="known")
    space = Embeddings.of(Scorecards(pool=table, labelled=twin))
    assert nearest_labelled(space.points_nd, space.labelled_md).argmin() == 3
    np.testing.assert_allclose(space.points_nd[3], space.labelled_md[0], atol=1e-9)


def test_what_a_patient_lacks_is_taken_as_the_mean() -> None:
    cards = pool_of(embedding_000=[0.0, 2.0, np.nan, 4.0], embedding_001=[np.nan] * 4)
    points = Embeddings.of(cards).points_nd
    assert points.shape == (4, 1)
    assert points[2, 0] == pytest.approx(0.0)


def test_without_columns_there_are_no_axes() -> None:
    space = Embeddings.of(pool_of(uncertainty=[0.1, 0.2]))
    assert space.points_nd.shape == (2, 0)
    assert np.isinf(nearest_labelled(space.points_nd, space.labelled_md)).all()


def test_a_patient_without_a_point_is_named() -> None:
    space = Embeddings(patients=("a",), points_nd=np.zeros((1, 2)), labelled_md=np.zeros((0, 2)))
    with pytest.raises(InputError, match="none for b"):
        space.rows(["a", "b"])
    with pytest.raises(InputError, match="of one width"):
        Embeddings(patients=("a",), points_nd=np.zeros((1, 2)), labelled_md=np.zeros((0, 3)))
