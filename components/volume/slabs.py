"""Resampling in bounded memory: slab by slab of the new grid, and only where there is something.

The results are those of ``components.volume.resample``; what is held beside source and result is the float
arithmetic of one slab.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from components.volume.geometry import Geometry
from components.volume.interpolation import point_spread_sigma
from components.volume.resample import resample, resample_labels
from components.volume.volume import LabelMap, Volume

Box = tuple[slice, slice, slice]
SLAB_VOXELS = 8 * 2**20  # 32 MiB per float32 array


def resample_in_slabs(volume: Volume, to: Geometry, *, slab_voxels: int = SLAB_VOXELS) -> Volume:
    """``resample(volume, to)`` at order 1."""
    if np.prod(to.shape) <= slab_voxels:
        return resample(volume, to)
    voxels = np.empty(to.shape, dtype=np.int16)
    for slab in _slabs(whole(to), slab_voxels):
        part = crop_geometry(to, slab)
        near = _reach(part, volume.geometry, _halo(to, volume.geometry))
        source = Volume(voxels_hu=volume.voxels_hu[near], geometry=crop_geometry(volume.geometry, near))
        voxels[slab] = resample(source, part).voxels_hu
    return Volume(voxels_hu=voxels, geometry=to)


def labels_in_slabs(label_map: LabelMap, to: Geometry, *, slab_voxels: int = SLAB_VOXELS) -> LabelMap:
    """``resample_labels(label_map, to)``, worked out only around the structures."""
    labels = np.zeros(to.shape, dtype=np.uint8)
    halo = _halo(to, label_map.geometry)
    filled = _filled(label_map.labels, halo)
    if filled is not None:
        around = _reach(crop_geometry(label_map.geometry, filled), to, (1, 1, 1))
        for slab in _slabs(around, slab_voxels):
            part = crop_geometry(to, slab)
            near = _reach(part, label_map.geometry, halo)
            source = LabelMap(
                labels=label_map.labels[near],
                geometry=crop_geometry(label_map.geometry, near),
                names=label_map.names,
            )
            labels[slab] = resample_labels(source, part).labels
    return LabelMap(labels=labels, geometry=to, names=label_map.names)


def whole(geometry: Geometry) -> Box:
    """The box of all voxels."""
    z, y, x = (slice(0, n) for n in geometry.shape)
    return z, y, x


def crop_geometry(geometry: Geometry, box: Box) -> Geometry:
    """The grid of ``array[box]``."""
    affine = geometry.affine.copy()
    affine[:, 3] = geometry.affine @ np.array([*(axis.start for axis in box), 1.0])
    z, y, x = (axis.stop - axis.start for axis in box)
    return Geometry(shape=(z, y, x), affine=affine)


def _slabs(box: Box, voxels: int) -> Iterator[Box]:
    z, y, x = box
    plane = (y.stop - y.start) * (x.stop - x.start)
    step = max(1, voxels // plane)
    for start in range(z.start, z.stop, step):
        yield slice(start, min(start + step, z.stop)), y, x


def _halo(to: Geometry, source: Geometry) -> tuple[int, int, int]:
    """Source voxels beyond a point that reach it: linear interpolation, and smoothing before reductions."""
    step = np.linalg.norm(np.linalg.solve(source.affine, to.affine)[:3, :3], axis=1)
    z, y, x = (2 + int(np.ceil(3.0 * point_spread_sigma(float(n)))) for n in step)
    return z, y, x


def _reach(part: Geometry, of: Geometry, halo: tuple[int, int, int]) -> Box:
    """The voxels of ``of`` within ``halo`` of ``part``, at least one."""
    corners = np.array([[*c, 1.0] for c in product(*((0, n - 1) for n in part.shape))])
    inside = np.linalg.solve(of.affine, part.affine @ corners.T)[:3]
    low, high = np.floor(inside.min(axis=1)), np.ceil(inside.max(axis=1))
    return _box(low - halo, high + halo, of.shape)


def _filled(labels: npt.NDArray[np.uint8], halo: tuple[int, int, int]) -> Box | None:
    """Bounding box of all structures and ``halo`` voxels around; ``None`` for an empty map."""
    low, high = [], []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        found = np.flatnonzero(labels.any(axis=others))
        if not found.size:
            return None
        low.append(found[0])
        high.append(found[-1])
    return _box(np.array(low) - halo, np.array(high) + halo, labels.shape)


def _box(low: npt.NDArray[Any], high: npt.NDArray[Any], shape: tuple[int, ...]) -> Box:
    z, y, x = (
        slice(min(max(int(a), 0), n - 1), max(min(int(b) + 1, n), min(max(int(a), 0), n - 1) + 1))
        for a, b, n in zip(low, high, shape, strict=True)
    )
    return z, y, x
