"""The slices that a radiologist is shown, in the windows of a radiologist."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from components.volume.geometry import Geometry
from components.volume.volume import Volume
from pipelines.figures.chest_views import chest_views

CELL, GAP = 230, 4


def chest() -> Volume:
    """Lungs from z = 4 to 20, whose density rises by 20 HU per slice; a fatty wall, darker on the patient's left."""
    hu = np.full((24, 24, 24), -1000, np.int16)
    hu[:, 2:22, 2:12] = 40
    hu[:, 2:22, 12:22] = -60
    for z in range(4, 21):
        hu[z, 6:18, 6:18] = -1000 + 20 * z
    return Volume(voxels_hu=hu, geometry=Geometry.axis_aligned((24, 24, 24), (4.0, 4.0, 4.0)))


def cell(picture: np.ndarray, row: int, column: int) -> np.ndarray:  # type: ignore[type-arg]
    top, left = row * (CELL + GAP), column * (CELL + GAP)
    return picture[top : top + CELL, left : left + CELL]


def test_lung_and_mediastinal_window_from_the_upper_slice_down() -> None:
    picture = np.asarray(Image.open(io.BytesIO(chest_views(chest()))).convert("L")).astype(float)
    assert picture.shape == (2 * CELL + GAP, 4 * CELL + 3 * GAP)
    middles = [cell(picture, 0, column)[115, 115] for column in range(3)]
    # z = 16, 12, 8 of lung at -680, -760, -840 HU in the window -1350 … 150 HU
    assert middles == pytest.approx([255 * (hu + 1350) / 1500 for hu in (-680, -760, -840)], abs=5)
    mediastinal = cell(picture, 1, 1)
    assert mediastinal[115, 115] == pytest.approx(0, abs=4)  # lung is black
    right, left = mediastinal[115, 30], mediastinal[115, 200]  # of the patient
    assert (right, left) == pytest.approx((255 * 200 / 400, 255 * 100 / 400), abs=6)
    coronal = cell(picture, 0, 3)
    assert coronal[60, 115] > coronal[150, 115] + 20  # the head is above


def test_a_flat_volume_fits_its_cell() -> None:
    thin = Volume(
        voxels_hu=np.zeros((1, 9, 5), np.int16), geometry=Geometry.axis_aligned((1, 9, 5), (2.0, 1.0, 1.0))
    )
    assert Image.open(io.BytesIO(chest_views(thin))).size == (4 * CELL + 3 * GAP, 2 * CELL + GAP)
