"""Where a triplet of the network lies in the scan that a radiologist opens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError
from components.volume.geometry import Geometry

_NOTHING = 1e-6  # of a slice: rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class TripletGrid:
    """What the network saw: an LPS grid whose slices, inferior → superior, form triplets.

    Args:
        geometry: of the network's input, padding included.
        slices_per_token: contiguous slices of a triplet.
        real_slices: ``(z,)``, False for padding.
    """

    geometry: Geometry
    slices_per_token: int
    real_slices: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.real_slices) // self.slices_per_token

    def edges_mm(self) -> npt.NDArray[np.float64]:
        """``(t + 1,)``: z of the borders between triplets, LPS mm."""
        step, first = self.geometry.affine[2, 0], self.geometry.affine[2, 3]
        return np.asarray(first + step * (self.slices_per_token * np.arange(len(self) + 1) - 0.5))

    def real_range(self, triplet: int) -> tuple[int, int]:
        """First and last real slice; ``ParameterError`` for a triplet of padding or none of these."""
        start = triplet * self.slices_per_token
        real = self.real_slices[start : start + self.slices_per_token] if triplet >= 0 else np.zeros(0)
        found = np.flatnonzero(real)
        if not len(found):
            raise ParameterError(
                expected="a triplet that shows part of the scan",
                got=f"triplet {triplet} of {len(self)}",
                hint="one that is real",
            )
        return start + int(found[0]), start + int(found[-1])


@dataclass(frozen=True, kw_only=True)
class SlicePlace:
    """A slice of a scan, by its place in the file.

    Args:
        index: from 0; the slice at the triplet's centre.
        first, last: indices of the slices that the triplet reaches.
        count: slices of the scan.
        position_mm: of the triplet's centre, superior is positive (LPS z).
        from_feet: whether the file's slices run from the feet to the head.
    """

    index: int
    first: int
    last: int
    count: int
    position_mm: float
    from_feet: bool

    @property
    def number(self) -> int:
        """As viewers count, from 1."""
        return self.index + 1

    def __str__(self) -> str:
        return f"slice {self.number} of {self.count}"


def slice_of_triplet(grid: TripletGrid, triplet: int, scan: Geometry) -> SlicePlace:
    """The slice of ``scan`` at the centre of a triplet's real slices.

    Args:
        grid: of the network's input.
        triplet: from 0, inferior → superior.
        scan: any grid of the same patient, such as the one that the scanner wrote. Its slices are counted along its
            array axis that runs most along the body; where that runs obliquely, at the middle of what the network saw.

    Raises ``ParameterError`` for a triplet of padding.
    """
    low, high = grid.real_range(triplet)
    axis = int(np.argmax(np.abs(scan.affine[2, :3]) / np.array(scan.spacing_mm)))
    count = scan.shape[axis]
    centre, position_mm = _along(grid.geometry, (low + high) / 2, scan, axis)
    ends = sorted(_along(grid.geometry, z, scan, axis)[0] for z in (low - 0.5, high + 0.5))
    index, first, last = (
        int(np.clip(np.floor(place), 0, count - 1))
        for place in (centre + 0.5 + _NOTHING, ends[0] + 0.5 + _NOTHING, ends[1] + 0.5 - _NOTHING)
    )
    return SlicePlace(
        index=index,
        first=first,
        last=last,
        count=count,
        position_mm=position_mm,
        from_feet=bool(scan.affine[2, axis] > 0),
    )


def _along(seen: Geometry, z: float, scan: Geometry, axis: int) -> tuple[float, float]:
    """Place along ``axis`` of ``scan`` of the middle of slice ``z``, and its LPS z in mm."""
    _, y, x = seen.shape
    world = seen.affine @ np.array([z, (y - 1) / 2, (x - 1) / 2, 1.0])
    return float(np.linalg.solve(scan.affine, world)[axis]), float(world[2])
