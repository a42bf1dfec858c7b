from __future__ import annotations

import numpy as np
import pytest

from components.errors import GeometryError
from components.labeling.drawn_label_map import DrawnLabelMap
from components.labeling.native_grid import differences, onto_grid
from components.volume.geometry import Geometry

NATIVE = Geometry.axis_aligned((4, 5, 6), (3.0, 2.0, 1.5), (-10.0, 20.0, 30.0))


def voxels(shape: tuple[int, ...] = NATIVE.shape) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 8, shape).astype(np.uint8)


def test_the_same_grid_is_taken_as_it_is() -> None:
    labels = voxels()
    assert np.array_equal(onto_grid(DrawnLabelMap(labels=labels, geometry=NATIVE), NATIVE), labels)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flipped", [(), (0,), (1, 2), (0, 1, 2)])
def test_swapped_and_flipped_axes_are_undone(order: tuple[int, ...], flipped: tuple[int, ...]) -> None:
    """Brute force: each voxel of the file is looked up by its place in the patient."""
    labels = voxels()
    stored = labels.transpose(order)
    affine = NATIVE.affine[:, [*order, 3]].copy()
    for axis in flipped:
        stored = np.flip(stored, axis)
        affine[:, 3] += affine[:, axis] * (stored.shape[axis] - 1)
        affine[:, axis] *= -1
    z, y, x = stored.shape
    drawn = DrawnLabelMap(labels=stored, geometry=Geometry(shape=(z, y, x), affine=affine))
    assert np.array_equal(onto_grid(drawn, NATIVE), labels)


def test_single_precision_is_forgiven() -> None:
    affine = NATIVE.affine.astype(np.float32).astype(np.float64) + 1e-4
    drawn = DrawnLabelMap(labels=voxels(), geometry=Geometry(shape=NATIVE.shape, affine=affine))
    assert np.array_equal(onto_grid(drawn, NATIVE), voxels())


def test_a_cropped_file_is_padded_with_background() -> None:
    part = voxels((2, 2, 3))
    affine = NATIVE.affine.copy()
    affine[:, 3] = NATIVE.affine @ [1, 2, 3, 1]
    drawn = DrawnLabelMap(labels=part, geometry=Geometry(shape=(2, 2, 3), affine=affine), cropped=True)
    expected = np.zeros(NATIVE.shape, dtype=np.uint8)
    expected[1:3, 2:4, 3:6] = part
    assert np.array_equal(onto_grid(drawn, NATIVE), expected)


def test_a_smaller_file_that_does_not_say_it_is_cropped_is_refused() -> None:
    geometry = Geometry(shape=(2, 5, 6), affine=NATIVE.affine)
    with pytest.raises(GeometryError, match=r"shape \(z, y, x\) \(2, 5, 6\), not \(4, 5, 6\)"):
        onto_grid(DrawnLabelMap(labels=voxels((2, 5, 6)), geometry=geometry), NATIVE)


def turned_about_z(degrees: float) -> Geometry:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[:2, :2] = [[c, -s], [s, c]]
    return Geometry(shape=NATIVE.shape, affine=turn @ NATIVE.affine)


@pytest.mark.parametrize(
    ("geometry", "said"),
    [
        (
            Geometry.axis_aligned((4, 5, 6), (3.0, 2.0, 2.0), (-10.0, 20.0, 30.0)),
            "spacing 3×2×2 mm, not 3×2×1.5 mm",
        ),
        (Geometry.axis_aligned((4, 5, 6), (3.0, 2.0, 1.5), (-10.0, 20.0, 31.0)), "first voxel 1.0 mm away"),
        (turned_about_z(5.0), "axes turned by 5.0°"),
        (Geometry.axis_aligned((4, 5, 6), (3.0, 2.0, 1.5), (-8.5, 20.0, 30.0)), "first voxel 1.5 mm away"),
    ],
)
def test_what_differs_is_named(geometry: Geometry, said: str) -> None:
    with pytest.raises(GeometryError, match=said):
        onto_grid(DrawnLabelMap(labels=voxels(), geometry=geometry), NATIVE)


def test_equal_grids_differ_in_nothing() -> None:
    assert differences(NATIVE, NATIVE) == ()
    mirrored = NATIVE.affine.copy()
    mirrored[:, 2] *= -1
    assert differences(Geometry(shape=NATIVE.shape, affine=mirrored), NATIVE) == ("orientation RPS, not LPS",)
