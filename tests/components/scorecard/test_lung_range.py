from __future__ import annotations

import numpy as np
import pytest

from components.scorecard.lung_range import lung_range
from components.volume.geometry import Geometry
from components.volume.volume import Volume


def chest(scale: int = 1) -> Volume:
    """A body of soft tissue in air; two lungs from z = 10 to 19 and y = 8 to 15; one voxel of bowel gas at z = 3."""
    hu = np.full((30, 24, 24), -1000, np.int16)
    hu[:, 3:21, 3:21] = 40
    hu[10:20, 8:16, 5:10] = -850
    hu[10:20, 8:16, 14:19] = -850
    hu[3, 12, 12] = -900
    for axis in range(3):
        hu = hu.repeat(scale, axis=axis)
    return Volume(voxels_hu=hu, geometry=Geometry.axis_aligned(hu.shape, (1.0, 1.0, 1.0)))


def test_the_slices_that_cut_the_lungs() -> None:
    assert lung_range(chest()) == ((10, 19), (8, 15))


def test_a_large_volume_on_its_stride() -> None:
    (low, high), (front, back) = lung_range(chest(scale=4))
    assert (low, front) == pytest.approx((40, 32), abs=4)
    assert (high, back) == pytest.approx((79, 63), abs=4)


@pytest.mark.parametrize("hu", [-1000, 40])
def test_without_lungs_the_whole_axis(hu: int) -> None:
    voxels = np.full((5, 6, 7), hu, np.int16)
    volume = Volume(voxels_hu=voxels, geometry=Geometry.axis_aligned((5, 6, 7), (1.0, 1.0, 1.0)))
    assert lung_range(volume) == ((0, 4), (0, 5))
