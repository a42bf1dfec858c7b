from __future__ import annotations

import numpy as np
import pytest

from components.acquisition.class_balance import class_need
from components.acquisition.scorecards import Scorecards
from tests.components.acquisition.pools import pool_of


def test_a_finding_counts_by_the_root_of_its_labels() -> None:
    """Three labels of emphysema, none of nodule: 1 / 2 and 1; needs 0.5, 1 and 1.5 over their mean 1."""
    pool = pool_of(output_emphysema=[1.0, 0.0, 1.0], output_nodule=[0.0, 1.0, 1.0])
    known = pool_of(output_emphysema=[1.0, 1.0, 1.0], output_nodule=[0.0, 0.0, 0.0]).pool
    found = class_need(Scorecards(pool=pool.pool, labelled=known))
    assert found["need"].tolist() == pytest.approx([0.5, 1.0, 1.5])
    assert found["rarest"].tolist() == ["emphysema", "nodule", "nodule"]


def test_a_speck_of_a_structure_counts_as_a_part() -> None:
    """A quarter of the median of 80 ml is whole; 5 ml of those 20 are a quarter."""
    found = class_need(pool_of(output_aorta_ml=[80.0, 80.0, 90.0, 5.0]))
    assert found["need"].tolist() == pytest.approx([4 / 3.25, 4 / 3.25, 4 / 3.25, 1 / 3.25])


def test_without_classes_all_are_needed_alike() -> None:
    assert class_need(pool_of(uncertainty=[0.1, 0.2]))["need"].tolist() == [1.0, 1.0]
    assert class_need(pool_of(output_nodule=[np.nan, 0.0]))["need"].tolist() == [1.0, 1.0]
