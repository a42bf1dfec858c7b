"""A frame shown as if its patient lay differently: exact flips and permutations of the axes, nothing resampled.

A scan whose header is wrong, or an animal that does not lie as the header says, has axes that mean something
else than they state. An orientation is written as what rising x, y and z really mean where the frame states
L, P and S: ``RAS`` for a patient turned half around the long axis, ``RPS`` for a mirrored one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

AS_STATED = "LPS"
_DIRECTIONS = {
    "L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1),
}  # fmt: skip


@dataclass(frozen=True)
class Turned:
    """Shows frames in another orientation and brings label maps back.

    Both the voxel array and the affine change, so that a teacher that reorients by the affine and one that
    takes the array as it comes see the same other patient.

    Args:
        code: what rising (x, y, z) of a frame that states L, P, S really mean.
    """

    code: str

    def __post_init__(self) -> None:
        known = len(self.code) == 3 and all(letter in _DIRECTIONS for letter in self.code)
        if not known or abs(np.linalg.det(self._world)) != 1:
            raise ParameterError(
                expected="an orientation of one letter each of L or R, P or A, S or I",
                got=repr(self.code),
                hint="RAS for a half turn around the long axis",
            )

    def show(self, volume: Volume) -> Volume:
        """``volume`` turned around its centre; its array is again in the order that its axes state."""
        voxels = np.flip(volume.voxels_hu.transpose(self._source_axes), self._flipped_axes)
        geometry = self._geometry(volume.geometry)
        return Volume(voxels_hu=np.ascontiguousarray(voxels), geometry=geometry)

    def bring_back(self, label_map: LabelMap, to: Geometry) -> LabelMap:
        """A label map of the shown frame on the grid ``to`` of the original frame."""
        back = np.argsort(self._source_axes)
        labels = np.flip(label_map.labels, self._flipped_axes).transpose(back)
        return LabelMap(labels=np.ascontiguousarray(labels), geometry=to, names=label_map.names)

    @cached_property
    def _world(self) -> npt.NDArray[np.int64]:
        """``(3, 3)``: where the stated x, y and z axes really point, in LPS."""
        return np.array([_DIRECTIONS[letter] for letter in self.code], dtype=np.int64).T

    @property
    def _source_axes(self) -> tuple[int, int, int]:
        """For each array axis (z, y, x) of the shown frame, the axis of the original that it comes from."""
        z, y, x = (2 - int(np.argmax(np.abs(self._world[axis]))) for axis in (2, 1, 0))
        return z, y, x

    @property
    def _flipped_axes(self) -> tuple[int, ...]:
        """Array axes of the shown frame that run against their source."""
        return tuple(array for array, world in enumerate((2, 1, 0)) if self._world[world].sum() < 0)

    def _geometry(self, geometry: Geometry) -> Geometry:
        sizes = np.array(geometry.shape)
        centre = geometry.affine[:3, :3] @ ((sizes - 1) / 2) + geometry.affine[:3, 3]
        steps = self._world @ geometry.affine[:3, list(self._source_axes)]
        steps[:, list(self._flipped_axes)] *= -1
        shape = sizes[list(self._source_axes)]
        affine = np.eye(4)
        affine[:3, :3] = steps
        affine[:3, 3] = centre - steps @ ((shape - 1) / 2)
        z, y, x = (int(n) for n in shape)
        return Geometry(shape=(z, y, x), affine=affine)
