"""An opened image file: one grid, and its frames on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from components.cohort.scan import StatedVoxels
from components.errors import InputError
from components.volume.geometry import Geometry
from components.volume.stated_grid import oriented_grid, respaced

MOST_VOXELS = 2**30
"""Of one frame: larger than any CT. A damaged header can promise more than memory holds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFrames:
    """The frames of one NIfTI, NRRD or MetaImage file.

    Args:
        geometry: of every frame.
        count: frames; 1 for a plain volume.
        voxels: index → ``(z, y, x)`` numbers as the file's own scaling gives them.
    """

    geometry: Geometry
    count: int
    voxels: Callable[[int], npt.NDArray[Any]]


def regridded(image: ImageFrames, stated: StatedVoxels) -> ImageFrames:
    """``image`` with the spacing and orientation that a table states, in place of the file's."""
    geometry = image.geometry
    if stated.orientation:
        geometry = oriented_grid(geometry.shape, stated.spacing_mm or geometry.spacing_mm, stated.orientation)
    elif stated.spacing_mm is not None:
        geometry = respaced(geometry, stated.spacing_mm)
    return replace(image, geometry=geometry)


def check_size(sizes: Sequence[int]) -> None:
    """``InputError`` for a frame of more than ``MOST_VOXELS``, before any of it is read."""
    if math.prod(sizes) > MOST_VOXELS:
        raise InputError(
            expected=f"at most {MOST_VOXELS} voxels in a frame",
            got=" × ".join(map(str, sizes)),
            hint="exporting the scan again",
        )
