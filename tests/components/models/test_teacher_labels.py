"""A teacher's values become our structures, or are refused."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import ParameterError, TeacherError
from components.models.teacher_labels import TeacherLabels
from components.volume.geometry import Geometry

GRID = Geometry.axis_aligned((1, 1, 4), (1.0, 1.0, 1.0))
LABELS = TeacherLabels(
    to_structure={"aorta": "aorta", "51": "heart", "lung": "background"}, structures=("heart", "aorta")
)


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers).reshape(1, 1, 4)


def test_names_and_values_are_translated() -> None:
    label_map = LABELS.read(values(0, 51, 7, 9), GRID, {7: "aorta", 9: "lung"})
    assert label_map.labels.ravel().tolist() == [0, 1, 2, 0]
    assert label_map.names == {1: "heart", 2: "aorta"}


def test_many_labels_may_make_one_structure() -> None:
    labels = TeacherLabels(to_structure={"1": "lung", "2": "lung"}, structures=("lung",))
    assert labels.read(values(0, 1, 2, 1), GRID, {}).labels.ravel().tolist() == [0, 1, 1, 1]


def test_star_stands_for_every_other_label() -> None:
    labels = TeacherLabels(to_structure={"51": "heart", "*": "background"}, structures=("heart",))
    assert labels.read(values(51, 3, 4, 0), GRID, {}).labels.ravel().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("given", "message"),
    [((0, 51, 8, 0), "got 8"), ((0, 0.5, 51, 0), "whole label values"), ((0, 0, 0, 0), "empty prediction")],
)
def test_unusable_maps_are_refused(given: tuple[float, ...], message: str) -> None:
    with pytest.raises(TeacherError, match=message):
        LABELS.read(values(*given), GRID, {})


def test_another_shape_is_refused() -> None:
    with pytest.raises(TeacherError, match="native grid"):
        LABELS.read(np.ones((1, 4, 1)), GRID, {})


@pytest.mark.parametrize("to_structure", [{}, {"1": "hart"}])
def test_mapping_to_unknown_structures_is_refused(to_structure: dict[str, str]) -> None:
    with pytest.raises(ParameterError):
        TeacherLabels(to_structure=to_structure, structures=("heart",))
