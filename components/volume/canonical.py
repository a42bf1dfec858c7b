"""The LPS grid of a volume: rising x to the left, rising y to posterior, rising z to superior."""

from __future__ import annotations

from itertools import product

import numpy as np

from components.errors import GeometryError
from components.volume.geometry import Geometry

_UNCOVERED_VOXELS = 0.05  # rounding of a header must not cost a whole further slice


def canonical_geometry(geometry: Geometry, spacing_mm: tuple[float, float, float] | None) -> Geometry:
    """An LPS-aligned grid that covers ``geometry``, centred on it.

    Args:
        geometry: any grid, oblique ones too; its voxels' full extent is covered.
        spacing_mm: target spacing along (z, y, x); ``None`` keeps the spacing of the nearest axes, so
            that an axis-aligned grid is only permuted and flipped, which ``resample`` does exactly.
    """
    spacing_zyx = np.array(spacing_mm if spacing_mm is not None else _nearest_spacing(geometry))
    if not (np.isfinite(spacing_zyx).all() and (spacing_zyx > 0).all()):
        raise GeometryError(
            expected="a positive spacing in mm along (z, y, x)", got=str(spacing_mm), hint="[4.0, 4.0, 4.0]"
        )
    low_xyz, high_xyz = _extent(geometry)
    extent_zyx = (high_xyz - low_xyz)[::-1]
    shape = np.maximum(np.ceil(extent_zyx / spacing_zyx - _UNCOVERED_VOXELS), 1).astype(int)
    first_xyz = (low_xyz + high_xyz) / 2 - ((shape - 1) * spacing_zyx / 2)[::-1]
    z, y, x = (int(n) for n in shape)
    return Geometry.axis_aligned(
        (z, y, x),
        (float(spacing_zyx[0]), float(spacing_zyx[1]), float(spacing_zyx[2])),
        (float(first_xyz[0]), float(first_xyz[1]), float(first_xyz[2])),
    )


def _nearest_spacing(geometry: Geometry) -> tuple[float, ...]:
    """Spacing along the patient's (z, y, x), each taken from the voxel axis that runs most along it."""
    directions = np.abs(geometry.affine[:3, :3] / np.array(geometry.spacing_mm))
    chosen: dict[int, int] = {}
    for flat in np.argsort(-directions, axis=None, kind="stable"):
        world, voxel = divmod(int(flat), 3)
        if world not in chosen and voxel not in chosen.values():
            chosen[world] = voxel
    return tuple(geometry.spacing_mm[chosen[world]] for world in (2, 1, 0))


def _extent(geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (x, y, z) in mm that any voxel, not only its centre, reaches."""
    corners = np.array([[*c, 1.0] for c in product(*((-0.5, n - 0.5) for n in geometry.shape))])
    world = corners @ geometry.affine.T
    return world[:, :3].min(axis=0), world[:, :3].max(axis=0)
