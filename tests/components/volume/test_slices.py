from __future__ import annotations

import numpy as np
import pytest

from components.errors import GeometryError
from components.volume.geometry import Geometry
from components.volume.slices import (
    PLANES,
    WINDOWS,
    Window,
    busiest_index,
    colour_of,
    legend,
    slice_rgb,
)
from components.volume.volume import LabelMap, Volume

GEOMETRY = Geometry.axis_aligned((4, 6, 8), (5.0, 2.0, 1.0))
WIDE = Window(low_hu=0.0, high_hu=255.0)


def volume(at: tuple[int, int, int]) -> Volume:
    voxels = np.zeros(GEOMETRY.shape, dtype=np.int16)
    voxels[at] = 255
    return Volume(voxels_hu=voxels, geometry=GEOMETRY)


@pytest.mark.parametrize(("plane", "ratio"), [("axial", 12 / 8), ("coronal", 20 / 8), ("sagittal", 20 / 12)])
def test_pixels_are_square_in_millimetres(plane: str, ratio: float) -> None:
    rows, columns, _ = slice_rgb(volume((0, 0, 0)), plane, 0, window=WIDE, long_side=240).shape  # type: ignore[arg-type]
    assert max(rows, columns) == 240
    assert rows / columns == pytest.approx(ratio, rel=0.02)


def test_patient_right_is_left_and_anterior_on_top() -> None:
    picture = slice_rgb(volume((1, 0, 0)), "axial", 1, window=WIDE, long_side=120)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[-1, -1].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("plane", "index"), [("coronal", 0), ("sagittal", 0)])
def test_superior_is_on_top(plane: str, index: int) -> None:
    picture = slice_rgb(volume((3, 0, 0)), plane, index, window=WIDE, long_side=120)  # type: ignore[arg-type]
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[-1, 0].tolist() == [0, 0, 0]


def test_a_window_is_linear_and_clips() -> None:
    voxels = np.zeros(GEOMETRY.shape, dtype=np.int16)
    voxels[0, 0, :4] = [-1000, -160, 40, 3000]
    picture = slice_rgb(
        Volume(voxels_hu=voxels, geometry=GEOMETRY), "axial", 0, window=WINDOWS["soft tissue"], long_side=12
    )
    assert picture[0, :, 0][[0, 2, 4]].tolist()[0] == 0
    assert {0, 127, 255} <= set(picture[..., 0].ravel().tolist())


def test_a_label_has_its_colour_at_the_edge_and_a_tint_inside() -> None:
    geometry = Geometry.axis_aligned((3, 12, 12), (1.0, 1.0, 1.0))
    labels = np.zeros(geometry.shape, dtype=np.uint8)
    labels[1, 3:9, 3:9] = 2
    air = Volume(voxels_hu=np.zeros(geometry.shape, dtype=np.int16), geometry=geometry)
    drawn = LabelMap(labels=labels, geometry=geometry, names={2: "right_ventricle"})
    picture = slice_rgb(air, "axial", 1, window=WIDE, label_map=drawn, opacity=0.5, long_side=12)
    assert tuple(picture[3, 5].tolist()) == colour_of(2)
    assert picture[5, 5].tolist() == [int(part * 0.5) for part in colour_of(2)]
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert legend(drawn.names) == (("right_ventricle", colour_of(2)),)
    assert [busiest_index(drawn, plane) for plane in PLANES] == [1, 3, 3]


def test_colours_of_the_structures_differ() -> None:
    assert len({colour_of(value) for value in range(1, 8)}) == 7


def test_an_empty_label_map_shows_the_middle() -> None:
    empty = LabelMap(labels=np.zeros(GEOMETRY.shape, dtype=np.uint8), geometry=GEOMETRY, names={})
    assert [busiest_index(empty, plane) for plane in PLANES] == [2, 3, 4]


def test_slices_outside_and_other_grids_are_refused() -> None:
    with pytest.raises(GeometryError, match="from 0 to 3"):
        slice_rgb(volume((0, 0, 0)), "axial", 4, window=WIDE)
    other = Geometry.axis_aligned((4, 6, 7), (5.0, 2.0, 1.0))
    drawn = LabelMap(labels=np.zeros(other.shape, dtype=np.uint8), geometry=other, names={})
    with pytest.raises(GeometryError, match="labels of shape"):
        slice_rgb(volume((0, 0, 0)), "axial", 0, window=WIDE, label_map=drawn)
