"""A label map as an expert's file holds it: not yet trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from components.volume.geometry import Geometry


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnLabelMap:
    """Voxels of any number type, on whatever grid the file states.

    Args:
        labels: ``(z, y, x)``.
        geometry: the grid that the file states.
        segments: value → name, where the file's header names its segments (3D Slicer's do).
        cropped: whether the header says that the file holds only the part of the frame around the segments.
    """

    labels: npt.NDArray[Any]
    geometry: Geometry
    segments: Mapping[int, str] = field(default_factory=dict)
    cropped: bool = False
