"""One fixed grid for classification: the centre of a volume, padded with air where it is smaller."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from components.volume.geometry import Geometry

Scalar = TypeVar("Scalar", np.int16, np.float32)


def centre_crop(
    voxels: npt.NDArray[Scalar], shape: tuple[int, int, int], air: float
) -> tuple[npt.NDArray[Scalar], npt.NDArray[np.bool_]]:
    """The centre of ``voxels`` on a grid of ``shape``, and which of its slices are real ``(z,)``."""
    result = np.full(shape, air, dtype=voxels.dtype)
    source, target = [], []
    for size, wanted in zip(voxels.shape, shape, strict=True):
        kept = min(size, wanted)
        a, b = _starts(size, wanted)
        source.append(slice(a, a + kept))
        target.append(slice(b, b + kept))
    result[tuple(target)] = voxels[tuple(source)]
    real = np.zeros(shape[0], dtype=np.bool_)
    real[target[0]] = True
    return result, real


def centre_geometry(geometry: Geometry, shape: tuple[int, int, int]) -> Geometry:
    """Where the voxels of ``centre_crop`` lie, padding included."""
    starts = [_starts(size, wanted) for size, wanted in zip(geometry.shape, shape, strict=True)]
    affine = geometry.affine.copy()
    affine[:, 3] = geometry.affine @ np.array([*(float(a - b) for a, b in starts), 1.0])
    return Geometry(shape=shape, affine=affine)


def real_tokens(real_slices: npt.NDArray[np.bool_], slices_per_token: int) -> npt.NDArray[np.bool_]:
    """``(t,)``: tokens that hold at least one real slice."""
    return np.asarray(real_slices.reshape(-1, slices_per_token).any(axis=1))


def _starts(size: int, wanted: int) -> tuple[int, int]:
    """First voxel that is kept, and its place on the wanted grid."""
    kept = min(size, wanted)
    return (size - kept) // 2, (wanted - kept) // 2
