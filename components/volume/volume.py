"""Voxels and the grid they lie on, always together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.errors import GeometryError, InputError
from components.volume.geometry import Geometry


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """One CT frame.

    Args:
        voxels_hu: ``(z, y, x)`` int16, Hounsfield units.
        geometry: the grid of ``voxels_hu``.
    """

    voxels_hu: npt.NDArray[np.int16]
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.voxels_hu.dtype != np.int16:
            raise InputError(
                expected="Hounsfield units as int16",
                got=str(self.voxels_hu.dtype),
                hint="rounding and clipping to [-32768, 32767] first",
            )
        _same_shape(self.voxels_hu.shape, self.geometry)


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelMap:
    """An integer volume on a frame's grid.

    Args:
        labels: ``(z, y, x)`` uint8; 0 is background.
        geometry: the grid of ``labels``.
        names: value → structure, for every value above 0 that may occur.
    """

    labels: npt.NDArray[np.uint8]
    geometry: Geometry
    names: Mapping[int, str]

    def __post_init__(self) -> None:
        if self.labels.dtype != np.uint8:
            raise InputError(
                expected="labels as uint8", got=str(self.labels.dtype), hint="at most 255 structures"
            )
        _same_shape(self.labels.shape, self.geometry)


def _same_shape(shape: tuple[int, ...], geometry: Geometry) -> None:
    if shape != geometry.shape:
        raise GeometryError(
            expected=f"voxels of the grid's shape {geometry.shape}",
            got=str(shape),
            hint="the geometry that was read with these voxels",
        )
