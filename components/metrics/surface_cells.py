"""The surface of a mask as elements with an area, between the centres of 2×2×2 neighbouring voxels.

A cell is the cube between eight voxel centres; where some are inside and some outside, the surface runs through
the cell and has an area there, as in marching cubes (Lorensen & Cline 1987). The area comes from the construction
itself, not from a copied table: crossed edges are cut in the middle, faces join the cuts, and the loops that
arise are filled from their centre.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import numpy.typing as npt

from components.metrics.overlap import Mask

Array = npt.NDArray[np.float64]
Spacing = tuple[float, float, float]
_Corner = tuple[int, int, int]
_Edge = frozenset[_Corner]

_CORNERS: tuple[_Corner, ...] = tuple((z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1))


def surface_cells(mask: Mask, spacing_mm: Spacing) -> tuple[Array, Array]:
    """Places and areas of the surface elements of a mask.

    Args:
        mask: ``(z, y, x)``; beyond its edge everything is outside, so a mask that touches the edge has a surface there.
        spacing_mm: voxel size along ``(z, y, x)``.

    Returns:
        ``(n, 3)`` cell centres in mm from the centre of voxel 0, along ``(z, y, x)``, and ``(n,)`` areas in mm².
    """
    codes = _codes(mask)
    where = np.nonzero((codes > 0) & (codes < 255))
    centres = (np.stack(where, axis=1) - 0.5) * np.array(spacing_mm)
    return centres, cell_areas_mm2(spacing_mm)[codes[where]]


@cache
def cell_areas_mm2(spacing_mm: Spacing) -> Array:
    """``(256,)``: area of the surface in a cell, by the code whose bit i says that corner i (z, y, x) is inside."""
    areas = np.array([_area(code, np.array(spacing_mm)) for code in range(256)])
    areas.setflags(write=False)
    return areas


def _codes(mask: Mask) -> npt.NDArray[np.uint8]:
    padded = np.pad(mask, 1).astype(np.uint8)
    z, y, x = (length - 1 for length in padded.shape)
    codes = np.zeros((z, y, x), dtype=np.uint8)
    for bit, (dz, dy, dx) in enumerate(_CORNERS):
        codes |= padded[dz : dz + z, dy : dy + y, dx : dx + x] << bit
    return codes


def _area(code: int, spacing_mm: Array) -> float:
    inside = frozenset(corner for bit, corner in enumerate(_CORNERS) if code >> bit & 1)
    return sum(_filled(loop, spacing_mm) for loop in _loops(inside))


def _filled(loop: list[_Edge], spacing_mm: Array) -> float:
    """Area of the triangles between the loop's segments and its centre."""
    points = np.array([np.mean(list(edge), axis=0) for edge in loop]) * spacing_mm
    spokes = points - points.mean(axis=0)
    return float(np.linalg.norm(np.cross(spokes, np.roll(spokes, -1, axis=0)), axis=1).sum() / 2)


def _loops(inside: frozenset[_Corner]) -> list[list[_Edge]]:
    """The closed loops that the segments on the six faces form; each crossed edge lies on two faces."""
    neighbours: dict[_Edge, list[_Edge]] = {}
    for first, second in itertools.chain.from_iterable(_segments(face, inside) for face in _faces()):
        neighbours.setdefault(first, []).append(second)
        neighbours.setdefault(second, []).append(first)
    loops = []
    while neighbours:
        loop = [next(iter(neighbours))]
        while following := [edge for edge in neighbours.pop(loop[-1]) if edge in neighbours]:
            loop.append(following[0])
        loops.append(loop)
    return loops


def _faces() -> list[list[_Corner]]:
    """The corners of each face, in their order around it."""
    faces = []
    for axis, side in itertools.product(range(3), (0, 1)):
        around = ((0, 0), (0, 1), (1, 1), (1, 0))
        faces.append([_corner(axis, side, pair) for pair in around])
    return faces


def _corner(axis: int, side: int, others: tuple[int, int]) -> _Corner:
    place = list(others)
    place.insert(axis, side)
    return (place[0], place[1], place[2])


def _segments(face: list[_Corner], inside: frozenset[_Corner]) -> list[tuple[_Edge, _Edge]]:
    """Between the crossed edges of a face; where all four are crossed, each inside corner is cut off alone."""
    edges = [frozenset((face[i], face[(i + 1) % 4])) for i in range(4)]
    crossed = [edge for edge in edges if len(edge & inside) == 1]
    if len(crossed) < 4:
        return [(crossed[0], crossed[1])] if crossed else []
    return [(edges[i - 1], edges[i]) for i in range(4) if face[i] in inside]
