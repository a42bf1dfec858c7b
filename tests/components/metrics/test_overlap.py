from __future__ import annotations

import numpy as np
import pytest

from components.errors import GeometryError
from components.metrics.overlap import dice, dice_per_structure, structure_masks
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

NAMES = {1: "left_ventricle", 2: "aorta", 3: "myocardium"}


def label_map(labels: np.ndarray, names: dict[int, str] = NAMES, spacing: float = 2.0) -> LabelMap:
    z, y, x = labels.shape
    geometry = Geometry.axis_aligned((z, y, x), (spacing, spacing, spacing))
    return LabelMap(labels=labels.astype(np.uint8), geometry=geometry, names=names)


def test_dice_of_known_overlaps() -> None:
    first = np.array([1, 1, 1, 0], dtype=bool)
    assert dice(first, first) == 1.0
    assert dice(first, ~first) == 0.0
    assert dice(first, np.array([1, 0, 0, 0], dtype=bool)) == pytest.approx(2 * 1 / (3 + 1))
    assert np.isnan(dice(np.zeros(4, dtype=bool), np.zeros(4, dtype=bool)))


def test_per_structure_equals_the_masks_one_by_one() -> None:
    generator = np.random.default_rng(0)
    predicted = label_map(generator.integers(0, 3, size=(6, 7, 8)))
    expert = label_map(generator.integers(0, 3, size=(6, 7, 8)))
    result = dice_per_structure(predicted, expert)
    for value in (1, 2):
        expected = dice(predicted.labels == value, expert.labels == value)
        assert result[NAMES[value]] == pytest.approx(expected)
    assert np.isnan(result["myocardium"])
    for name, ours, theirs in structure_masks(predicted, expert):
        assert result[name] == pytest.approx(dice(ours, theirs), nan_ok=True)


def test_structures_are_matched_by_name_not_by_value() -> None:
    expert = label_map(np.array([[[0, 1, 2, 2]]]))
    predicted = label_map(np.array([[[0, 2, 5, 5]]]), names={2: "left_ventricle", 5: "aorta"})
    result = dice_per_structure(predicted, expert)
    assert result["left_ventricle"] == result["aorta"] == 1.0


def test_a_structure_that_the_model_does_not_know_is_missed() -> None:
    expert = label_map(np.array([[[0, 1, 2, 2]]]))
    predicted = label_map(np.array([[[0, 1, 0, 0]]]), names={1: "left_ventricle"})
    assert dice_per_structure(predicted, expert)["aorta"] == 0.0


def test_another_grid_is_refused() -> None:
    labels = np.ones((3, 3, 3))
    with pytest.raises(GeometryError):
        dice_per_structure(label_map(labels), label_map(labels, spacing=3.0))
