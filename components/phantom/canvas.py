"""A grid in the patient's millimetres, solids on it by signed distance, and painting with soft edges.

Coordinates are LPS millimetres as arrays of shape ``(z, y, x)``; they may be warped by a smooth field, so
that every solid drawn through them is a little irregular, as organs are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.phantom.texture import Array, smooth_field
from components.volume.geometry import Geometry

Point = npt.NDArray[np.float64]
Box = tuple[slice, slice, slice]
FAR_MM = 1e3
UPRIGHT = np.eye(3)  # axes of a body that stands along x, y, z


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Where the voxels lie.

    Args:
        geometry: an axis-aligned LPS grid.
        x, y, z: ``(z, y, x)`` float32 coordinates in mm, warped by at most ``warp_mm``.
    """

    geometry: Geometry
    x: Array
    y: Array
    z: Array
    warp_mm: float

    @staticmethod
    def of(geometry: Geometry, *, warp_mm: float, length_mm: float, rng: np.random.Generator) -> Grid:
        """Coordinates of ``geometry`` moved by smooth fields of deviation ``warp_mm`` per axis."""
        z, y, x = (axis.astype(np.float32) for axis in _axes(geometry))
        shape, spacing = geometry.shape, geometry.spacing_mm
        moved = [np.clip(smooth_field(shape, spacing, length_mm, rng), -2.5, 2.5) * warp_mm for _ in range(3)]
        return Grid(
            geometry=geometry,
            x=moved[0] + x[None, None, :],
            y=moved[1] + y[None, :, None],
            z=moved[2] + z[:, None, None],
            warp_mm=2.5 * warp_mm,
        )

    @cached_property
    def edge_mm(self) -> float:
        """Width of a painted edge: one voxel, so that partial volumes look as they do in CT."""
        return float(np.mean(self.geometry.spacing_mm))

    @cached_property
    def _axes_xyz(self) -> tuple[tuple[float, float, int], ...]:
        """Origin, step and size along x, y, z as plain numbers: ``box`` is called hundreds of times."""
        steps, origin = self.geometry.spacing_mm[::-1], self.geometry.affine[:3, 3]
        return tuple(
            (float(o), s, n) for o, s, n in zip(origin, steps, self.geometry.shape[::-1], strict=True)
        )

    def box(self, low_mm: Point, high_mm: Point) -> Box:
        """Voxels that may lie between two corners ``(x, y, z)``; empty slices when there are none."""
        x, y, z = (
            _span((low - self.warp_mm - origin) / step, (high + self.warp_mm - origin) / step, size)
            for low, high, (origin, step, size) in zip(
                low_mm.tolist(), high_mm.tolist(), self._axes_xyz, strict=True
            )
        )
        return z, y, x


def _span(low: float, high: float, size: int) -> slice:
    first = min(max(math.floor(low), 0), size)
    return slice(first, max(min(math.ceil(high) + 1, size), first))


def _axes(geometry: Geometry) -> list[npt.NDArray[np.float64]]:
    origin = geometry.affine[:3, 3][::-1]
    return [
        o + step * np.arange(n)
        for o, step, n in zip(origin, geometry.spacing_mm, geometry.shape, strict=True)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Solid:
    """A body: ``distance_mm`` below 0 inside, on the voxels of ``box``; outside ``box`` nothing is near."""

    box: Box
    distance_mm: Array


def ellipsoid(
    grid: Grid, centre_mm: Point, axes: Point, semi_mm: Sequence[float] | Point, reach_mm: float = 8.0
) -> Solid:
    """An ellipsoid with unit ``axes`` (rows, ``(3, 3)``) and half lengths ``semi_mm``.

    The distance is the first-order one, k0 (k0 - 1) / k1 with k0 = |p / s|, k1 = |p / s^2|.
    """
    semi = np.asarray(semi_mm, dtype=np.float64)
    half = np.sqrt(((axes * (semi + reach_mm)[:, None]) ** 2).sum(axis=0))
    box = grid.box(centre_mm - half, centre_mm + half)
    x, y, z = (a[box] - np.float32(c) for a, c in zip((grid.x, grid.y, grid.z), centre_mm, strict=True))
    square = np.zeros_like(x)
    quartic = np.zeros_like(x)
    for axis, s in zip(axes, semi, strict=True):
        unit = (axis / s).astype(np.float32)
        p = x * unit[0]
        p += y * unit[1]
        p += z * unit[2]
        p *= p
        square += p
        p *= np.float32(1 / s**2)
        quartic += p
    k0 = np.maximum(np.sqrt(square), 1e-3)  # the quotient is 0/0 at the centre
    k1 = np.sqrt(np.maximum(quartic, np.float32(1e-6 / semi.max() ** 2)))
    return Solid(box=box, distance_mm=k0 * (k0 - 1) / k1)


def tube(grid: Grid, points_mm: Point, radii_mm: Sequence[float], reach_mm: float = 6.0) -> Solid:
    """A chain of round cones through ``points_mm`` ``(n, 3)`` with a radius at each point."""
    points = np.asarray(points_mm, dtype=np.float64)
    radii = np.asarray(radii_mm, dtype=np.float64)
    margin = radii[:, None] + reach_mm
    whole = grid.box((points - margin).min(axis=0), (points + margin).max(axis=0))
    if len(points) == 2:
        return Solid(box=whole, distance_mm=_cone_distance(grid, whole, points, radii))
    distance = np.full([s.stop - s.start for s in whole], FAR_MM, dtype=np.float32)
    for i in range(len(points) - 1):
        pair = slice(i, i + 2)
        box = grid.box((points[pair] - margin[pair]).min(axis=0), (points[pair] + margin[pair]).max(axis=0))
        part = _cone_distance(grid, box, points[pair], radii[pair])
        inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, whole, strict=True))
        np.minimum(distance[inner], part, out=distance[inner])
    return Solid(box=whole, distance_mm=distance)


def _cone_distance(grid: Grid, box: Box, ends: Point, radii: Point) -> Array:
    x, y, z = (a[box] - np.float32(c) for a, c in zip((grid.x, grid.y, grid.z), ends[0], strict=True))
    along = (ends[1] - ends[0]).astype(np.float32)
    length2 = np.float32(max(float(along @ along), 1e-6))
    t = np.clip((x * along[0] + y * along[1] + z * along[2]) / length2, 0, 1)
    x -= t * along[0]
    y -= t * along[1]
    z -= t * along[2]
    out: Array = np.sqrt(x * x + y * y + z * z) - (np.float32(radii[0]) + t * np.float32(radii[1] - radii[0]))
    return out


def half_space(grid: Grid, box: Box, point_mm: Point, normal: Point) -> Array:
    """Signed distance to a plane on ``box``: positive on the side that ``normal`` points to."""
    n = np.asarray(normal, dtype=np.float32)
    out: Array = grid.x[box] * n[0] + grid.y[box] * n[1] + grid.z[box] * n[2] - np.float32(normal @ point_mm)
    return out


def cut(grid: Grid, solid: Solid, point_mm: Point, normal: Point) -> Solid:
    """``solid`` without what lies on the side of the plane that ``normal`` points to."""
    plane = half_space(grid, solid.box, point_mm, normal)
    return Solid(box=solid.box, distance_mm=np.maximum(solid.distance_mm, plane))


def without(solid: Solid, other: Solid, gap_mm: float = 0.0) -> Solid:
    """``solid`` without what lies within ``gap_mm`` of ``other``."""
    distance = solid.distance_mm.copy()
    mine, theirs = _overlap(solid.box, other.box)
    np.maximum(distance[mine], gap_mm - other.distance_mm[theirs], out=distance[mine])
    return Solid(box=solid.box, distance_mm=distance)


def joined(grid: Grid, solids: Sequence[Solid], blend_mm: float = 4.0) -> Solid:
    """The union of ``solids``, their seams rounded over ``blend_mm`` (Quilez's polynomial smooth minimum)."""
    box = hull([solid.box for solid in solids])
    distance = np.full([s.stop - s.start for s in box], FAR_MM, dtype=np.float32)
    for solid in solids:
        into = tuple(slice(b.start - h.start, b.stop - h.start) for b, h in zip(solid.box, box, strict=True))
        seam = np.clip(blend_mm - np.abs(distance[into] - solid.distance_mm), 0, None)
        distance[into] = np.minimum(distance[into], solid.distance_mm) - seam**2 / np.float32(4 * blend_mm)
    return Solid(box=box, distance_mm=distance)


def hull(boxes: Sequence[Box]) -> Box:
    """The smallest box around ``boxes``."""
    z, y, x = (
        slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*boxes, strict=True)
    )
    return z, y, x


def _overlap(a: Box, b: Box) -> tuple[Box, Box]:
    """The common voxels of two boxes, as seen from each."""
    low = [max(s.start, t.start) for s, t in zip(a, b, strict=True)]
    high = [max(min(s.stop, t.stop), lo) for s, t, lo in zip(a, b, low, strict=True)]
    mine = [slice(lo - s.start, hi - s.start) for lo, hi, s in zip(low, high, a, strict=True)]
    theirs = [slice(lo - s.start, hi - s.start) for lo, hi, s in zip(low, high, b, strict=True)]
    return (mine[0], mine[1], mine[2]), (theirs[0], theirs[1], theirs[2])


@dataclass(frozen=True, kw_only=True, eq=False)
class Canvas:
    """What is being drawn: float HU and labels on a grid; painting changes both in place."""

    grid: Grid
    hu: Array
    labels: npt.NDArray[np.uint8]

    @staticmethod
    def blank(grid: Grid, hu: float = -1000.0) -> Canvas:
        return Canvas(
            grid=grid,
            hu=np.full(grid.geometry.shape, hu, dtype=np.float32),
            labels=np.zeros(grid.geometry.shape, dtype=np.uint8),
        )

    def copy(self) -> Canvas:
        return Canvas(grid=self.grid, hu=self.hu.copy(), labels=self.labels.copy())

    def paint(
        self,
        solid: Solid,
        hu: float | Array,
        label: int | None = None,
        grow_mm: float = 0.0,
        opacity: float = 1.0,
    ) -> None:
        """Fill ``solid`` (grown by ``grow_mm``) with ``hu``, soft over one voxel; set ``label`` inside."""
        distance = solid.distance_mm
        cover = np.clip(
            np.float32(0.5 + grow_mm / self.grid.edge_mm) - distance / np.float32(self.grid.edge_mm), 0, 1
        )
        if opacity != 1.0:
            cover *= np.float32(opacity)
        view = self.hu[solid.box]
        view += cover * (hu - view)
        if label is not None:
            self.labels[solid.box][distance < grow_mm] = label
