"""An opened image file: one grid, and its frames on demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from components.errors import InputError
from components.volume.geometry import Geometry

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


def check_size(sizes: Sequence[int]) -> None:
    """``InputError`` for a frame of more than ``MOST_VOXELS``, before any of it is read."""
    if math.prod(sizes) > MOST_VOXELS:
        raise InputError(
            expected=f"at most {MOST_VOXELS} voxels in a frame",
            got=" × ".join(map(str, sizes)),
            hint="exporting the scan again",
        )
