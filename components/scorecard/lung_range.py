"""Where the lungs lie in a chest CT, well enough to choose the slices that a reader is shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.scorecard.image_statistics import AIR_BELOW_HU, body_mask, stride
from components.volume.volume import Volume

_SHARE_OF_LARGEST = 0.1  # a slice with less air is taken for bowel, trachea or the very tip of a lung


def lung_range(volume: Volume) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last slice along z, and along y, that cut the lungs: air inside the body's outline.

    The whole axis where no such air is found. Large volumes are read on a stride.
    """
    step = stride(volume.voxels_hu)
    voxels = volume.voxels_hu[::step, ::step, ::step]
    air = (voxels < AIR_BELOW_HU) & body_mask(voxels)
    z, y, _ = volume.geometry.shape
    return _extent(air.sum(axis=(1, 2)), step, z), _extent(air.sum(axis=(0, 2)), step, y)


def _extent(air_per_slice: npt.NDArray[np.intp], step: int, length: int) -> tuple[int, int]:
    if not air_per_slice.any():
        return 0, length - 1
    slices = np.flatnonzero(air_per_slice >= _SHARE_OF_LARGEST * air_per_slice.max())
    return int(slices[0]) * step, min(int(slices[-1]) * step, length - 1)
