"""Grids from what is stated beside a file: spacing and orientation in words and numbers."""

from __future__ import annotations

import numpy as np

from components.volume.geometry import Affine, Geometry

_AXES = ("RL", "AP", "IS")  # of the world: x, y, z; the second letter is the rising one (LPS)


def is_orientation(text: str) -> bool:
    """Whether ``text`` names the directions of rising x, y, z, each of the body's axes once, e.g. ``LPS``."""
    return len(text) == 3 and all(sum(letter in axis for letter in text) == 1 for axis in _AXES)


def oriented_grid(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], orientation: str
) -> Geometry:
    """An axis-aligned grid whose voxel 0 lies at the origin: nobody knows where the patient lay.

    Args:
        shape: voxels along (z, y, x).
        spacing_mm: along (z, y, x).
        orientation: anatomical directions of rising x, y, z; see ``is_orientation``.
    """
    affine: Affine = np.eye(4)
    affine[:3, :3] = 0.0
    for column, (letter, step) in enumerate(zip(reversed(orientation), spacing_mm, strict=True)):
        world = next(index for index, axis in enumerate(_AXES) if letter in axis)
        affine[world, column] = step if letter == _AXES[world][1] else -step
    return Geometry(shape=shape, affine=affine)


def respaced(geometry: Geometry, spacing_mm: tuple[float, float, float]) -> Geometry:
    """``geometry`` with its directions and first voxel, and other steps along (z, y, x)."""
    affine = geometry.affine.copy()
    affine[:3, :3] *= np.array(spacing_mm) / np.array(geometry.spacing_mm)
    return Geometry(shape=geometry.shape, affine=affine)
