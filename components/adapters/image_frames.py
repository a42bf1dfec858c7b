"""An opened image file: one grid, and its frames on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from components.volume.geometry import Geometry


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
