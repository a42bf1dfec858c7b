"""Values of one grid at the voxel centres of another.

The edge follows ITK: a point up to half a voxel outside the outermost centres takes the value of the
nearest edge, one further out the fill value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.volume.geometry import Geometry

Order = Literal[0, 1, 2, 3]
Floats = npt.NDArray[np.float32]
_EXACT_VOXELS = 1e-3  # centres that lie this close coincide
_OFF_AXIS_VOXELS = 0.01  # largest drift over the whole grid that still counts as axis-aligned
_SLAB = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Correspondence:
    """Where the voxels of a target grid lie in a source grid.

    Args:
        matrix: ``(3, 3)``; a step along target (z, y, x) in source voxels along (z, y, x).
        offset: ``(3,)``; target voxel (0, 0, 0) in source voxels.
        source, target: the two shapes.
        axes: source axis of each target axis when the grids' axes are parallel, else ``None``.
    """

    matrix: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    source: tuple[int, int, int]
    target: tuple[int, int, int]
    axes: tuple[int, int, int] | None

    @property
    def stride(self) -> npt.NDArray[np.float64]:
        """``(3,)`` size of a target voxel in source voxels, along the source's axes."""
        return np.asarray(np.linalg.norm(self.matrix, axis=1), dtype=np.float64)

    def coordinates(self, axis: int) -> npt.NDArray[np.float64]:
        """Source coordinate of every target index along target ``axis`` (parallel grids only)."""
        assert self.axes is not None
        row = self.axes[axis]
        return np.asarray(
            self.matrix[row, axis] * np.arange(self.target[axis]) + self.offset[row], dtype=np.float64
        )

    def gather(self) -> tuple[npt.NDArray[np.intp], ...] | None:
        """Source indices per target axis (below 0 or too large: outside), when every centre coincides."""
        if self.axes is None:
            return None
        wanted = [self.coordinates(axis) for axis in range(3)]
        if max(float(np.abs(c - np.round(c)).max()) for c in wanted) > _EXACT_VOXELS:
            return None
        return tuple(np.round(c).astype(np.intp) for c in wanted)


def correspond(source: Geometry, target: Geometry) -> Correspondence:
    """The affine map from the voxels of ``target`` to those of ``source``."""
    transform = np.linalg.solve(source.affine, target.affine)
    matrix, offset = _float64(transform[:3, :3]), _float64(transform[:3, 3])
    rows = np.argmax(np.abs(matrix), axis=0)
    off_axis = np.abs(matrix) * np.array(target.shape)
    off_axis[rows, range(3)] = 0.0
    parallel = len(set(rows.tolist())) == 3 and float(off_axis.max()) <= _OFF_AXIS_VOXELS
    axes = (int(rows[0]), int(rows[1]), int(rows[2])) if parallel else None
    return Correspondence(matrix=matrix, offset=offset, source=source.shape, target=target.shape, axes=axes)


def take(values: npt.NDArray[Any], where: Correspondence, fill: float) -> npt.NDArray[Any] | None:
    """The values themselves, reordered and cropped, when every centre coincides; else ``None``."""
    indices = where.gather()
    if indices is None or where.axes is None:
        return None
    turned = values.transpose(where.axes)
    clamped = [np.clip(i, 0, n - 1) for i, n in zip(indices, turned.shape, strict=True)]
    taken = turned[np.ix_(*clamped)]
    for axis, (index, size) in enumerate(zip(indices, turned.shape, strict=True)):
        outside = (index < 0) | (index >= size)
        if outside.any():
            np.moveaxis(taken, axis, 0)[outside] = fill
    return taken


def interpolate(values: Floats, where: Correspondence, *, order: Order, fill: float) -> Floats:
    """Spline-interpolated values ``(z, y, x)`` float32 on the target grid.

    Source voxels are first smoothed along every axis on which a target voxel is more than 1.5 source
    voxels wide. Parallel grids at order 1 go axis by axis, the strongest reduction first.
    """
    if where.axes is not None and order == 1:
        return _separable(values, where, fill)
    for axis, stride in enumerate(where.stride):
        values = _band_limited(values, axis, stride if order > 0 else 1.0)
    planes = list(_slabs(values, where, order, fill))
    return np.concatenate(planes) if len(planes) > 1 else planes[0]


def point_spread_sigma(stride: float) -> float:
    """Gaussian sigma, in source voxels, that makes a source voxel as blurred as one ``stride`` wide.

    Cardoso et al., "Scale factor point spread function matching", MICCAI 2015: the difference of two
    Gaussian point spreads whose full widths at half maximum are the two voxel sizes.
    """
    return float(np.sqrt(max(stride**2 - 1.0, 0.0) / (8.0 * np.log(2.0))))


def _band_limited(values: Floats, axis: int, stride: float) -> Floats:
    if stride <= 1.5:
        return values
    sigma = point_spread_sigma(stride)
    return np.asarray(
        ndimage.gaussian_filter1d(values, sigma, axis=axis, mode="nearest", truncate=3.0), dtype=np.float32
    )


def _separable(values: Floats, where: Correspondence, fill: float) -> Floats:
    assert where.axes is not None
    result = values.transpose(where.axes)
    strides = where.stride[list(where.axes)]
    for axis in np.argsort(-strides, kind="stable"):
        result = _band_limited(result, int(axis), float(strides[axis]))
        result = _linear(result, int(axis), where.coordinates(int(axis)))
    for axis in range(3):
        outside = _outside(where.coordinates(axis), where.source[where.axes[axis]])
        if outside.any():
            np.moveaxis(result, axis, 0)[outside] = fill
    return result


def _linear(values: Floats, axis: int, coordinates: npt.NDArray[np.float64]) -> Floats:
    last = values.shape[axis] - 1
    inside = np.clip(coordinates, 0, last)
    low = np.minimum(inside.astype(np.intp), max(last - 1, 0))
    share = (inside - low).astype(np.float32)
    lower: Floats = np.take(values, low, axis=axis)
    upper: Floats = np.take(values, np.minimum(low + 1, last), axis=axis)
    share = share.reshape([-1 if a == axis else 1 for a in range(3)])
    upper -= lower
    upper *= share
    upper += lower
    return upper


def _slabs(values: Floats, where: Correspondence, order: Order, fill: float) -> Iterator[Floats]:
    """Slabs along target z: no coordinate array of the whole target is ever held."""
    for start in range(0, where.target[0], _SLAB):
        shape = (min(_SLAB, where.target[0] - start), *where.target[1:])
        offset = where.offset + where.matrix[:, 0] * start
        slab = np.empty(shape, dtype=np.float32)
        ndimage.affine_transform(
            values, where.matrix, offset, output_shape=shape, output=slab, order=order, mode="nearest"
        )
        z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
        for row, size in enumerate(where.source):
            a, b, c = where.matrix[row]
            slab[_outside(offset[row] + a * z + b * y + c * x, size)] = fill
        yield slab


def _outside(coordinates: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.bool_]:
    return (coordinates < -0.5 - _EXACT_VOXELS) | (coordinates > size - 0.5 + _EXACT_VOXELS)


def _float64(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
