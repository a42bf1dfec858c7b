"""Random changes of an image: first the parameters are drawn, then applied, so that each can be replayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from components.models.intensity import Floats, apply_intensity, draw_intensity
from components.models.labeled import Shape
from components.models.training_plan import Augmentation


@dataclass(frozen=True, kw_only=True, eq=False)
class SpatialChange:
    """``matrix`` (3, 3): output step along (z, y, x) → input voxels; ``shift`` (3,): in input voxels."""

    matrix: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]


def draw_spatial(bounds: Augmentation, side: Shape, generator: np.random.Generator) -> SpatialChange:
    """A small rotation, one scale for all axes, a shift and perhaps a left-right mirror."""
    angles = np.deg2rad(bounds.rotation_degrees) * generator.uniform(-1, 1, 3)
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    matrix = matrix / (1.0 + bounds.scale * generator.uniform(-1, 1))
    shift = np.array(side) * bounds.shift_share * generator.uniform(-1, 1, 3)
    if generator.random() < bounds.mirror:
        matrix[:, 2] *= -1.0
    return SpatialChange(matrix=matrix, shift=shift)


def apply_spatial(image: Tensor, change: SpatialChange, out: Shape, *, nearest: bool) -> Tensor:
    """Sample ``image`` ``(z, y, x)`` on a grid of ``out`` voxels about its centre; edges are repeated."""
    if _only_mirrors(change) and all(
        n >= m and (n - m) % 2 == 0 for n, m in zip(image.shape, out, strict=True)
    ):
        z, y, x = (slice(None, None, int(change.matrix[axis, axis])) for axis in range(3))
        return torch.from_numpy(_centre(image, out).numpy()[z, y, x].copy())  # faster than torch's flip
    if nearest:
        return _nearest(image, change, out)
    half_in = np.array(image.shape, dtype=np.float64) / 2
    theta_zyx = np.diag(1 / half_in) @ change.matrix @ np.diag(np.array(out) / 2)
    theta = np.zeros((1, 3, 4), dtype=np.float32)
    theta[0, :, :3] = theta_zyx[::-1, ::-1]  # torch wants (x, y, z)
    theta[0, :, 3] = (change.shift / half_in)[::-1]
    grid = functional.affine_grid(torch.from_numpy(theta), [1, 1, *out], align_corners=False)
    source = image[None, None].to(torch.float32)
    sampled = functional.grid_sample(
        source, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled[0, 0].to(image.dtype)


def needed_size(change: SpatialChange, out: Shape) -> Shape:
    """The smallest image about the same centre, an even number of voxels larger, that ``change`` samples."""
    half = np.abs(change.matrix) @ ((np.array(out) - 1) / 2) + np.abs(change.shift)
    z, y, x = (m + 2 * max(0, int(np.ceil(h - (m - 1) / 2 - 1e-6))) for m, h in zip(out, half, strict=True))
    return z, y, x


def _only_mirrors(change: SpatialChange) -> bool:
    return bool(np.array_equal(np.abs(change.matrix), np.eye(3)) and not change.shift.any())


def _centre(image: Tensor, out: Shape) -> Tensor:
    z, y, x = (slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(image.shape, out, strict=True))
    return image[z, y, x]


def _nearest(image: Tensor, change: SpatialChange, out: Shape) -> Tensor:
    """By one index per voxel: at 96³ eight times faster than grid_sample with its grid."""
    flat = np.zeros(out, dtype=np.int32)
    z, y, x = ((np.arange(n) - (n - 1) / 2).astype(np.float32) for n in out)
    for axis, n in enumerate(image.shape):
        of_z, of_y, of_x = change.matrix[axis].astype(np.float32)
        middle = np.float32(change.shift[axis] + (n - 1) / 2)
        at = (of_z * z + middle)[:, None, None] + (of_y * y)[:, None] + of_x * x
        np.clip(np.rint(at, out=at), 0, n - 1, out=at)
        flat *= n
        flat += at.astype(np.int32)
    return torch.from_numpy(image.numpy().ravel().take(flat))


def change_intensity(image: Floats, bounds: Augmentation, generator: np.random.Generator) -> Floats:
    """``image`` ``(z, y, x)`` in window units after a change drawn within ``bounds``."""
    z, y, x = image.shape
    return apply_intensity(image, draw_intensity(bounds, (z, y, x), generator))
