from __future__ import annotations

import numpy as np
import pytest

from components.metrics.cardiac_cycle import consecutive_dice, ejection_fraction, volume_curves_ml
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap


def ball(radius: float, size: int = 40) -> LabelMap:
    grid = np.linspace(-1, 1, size) * size / 2
    z, y, x = np.meshgrid(grid, grid, grid, indexing="ij")
    labels = (z**2 + y**2 + x**2 <= radius**2).astype(np.uint8)
    geometry = Geometry.axis_aligned((size, size, size), (2.0, 1.0, 1.5))
    return LabelMap(labels=labels, geometry=geometry, names={1: "left_ventricle", 2: "aorta"})


def test_volume_curve_of_balls() -> None:
    radii = (10.0, 12.0, 14.0)
    curves = volume_curves_ml([ball(radius) for radius in radii])
    voxel_ml = 2.0 * 1.0 * 1.5 / 1000 * (39 / 40) ** 3
    expected = [4 / 3 * np.pi * radius**3 * voxel_ml for radius in radii]
    assert curves["left_ventricle"] == pytest.approx(expected, rel=0.15)
    assert curves["aorta"] == pytest.approx([0.0, 0.0, 0.0])
    counted = [ball(radius).labels.sum() * 3.0 / 1000 for radius in radii]
    assert curves["left_ventricle"] == pytest.approx(counted)


def test_consecutive_dice_closes_the_cycle() -> None:
    frames = [ball(10), ball(12), ball(14)]
    series = consecutive_dice(frames)["left_ventricle"]
    sizes = [int(frame.labels.sum()) for frame in frames]
    nested = [2 * sizes[0] / (sizes[0] + sizes[1]), 2 * sizes[1] / (sizes[1] + sizes[2])]
    nested.append(2 * sizes[0] / (sizes[2] + sizes[0]))
    assert series == pytest.approx(nested)
    assert np.isnan(consecutive_dice(frames)["aorta"]).all()


def test_a_pair_gives_one_value_and_a_single_frame_none() -> None:
    assert consecutive_dice([ball(10), ball(12)])["left_ventricle"].shape == (1,)
    assert consecutive_dice([ball(10)]) == {}


def test_ejection_fraction() -> None:
    assert ejection_fraction(np.array([120.0, 80.0, 50.0, 100.0])) == pytest.approx(70 / 120)
    assert ejection_fraction(np.array([100.0, 100.0])) == 0.0
    assert np.isnan(ejection_fraction(np.zeros(3)))
    assert np.isnan(ejection_fraction(np.array([])))
