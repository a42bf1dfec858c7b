"""Put an answer onto its frame's grid without moving a voxel, or say exactly what differs.

Editors store one grid in several ways: axes swapped, an axis flipped, or cropped to the segments. These lie
on the same lattice and are re-indexed; anything that would need interpolation is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import GeometryError
from components.labeling.drawn_label_map import DrawnLabelMap
from components.volume.geometry import Geometry

_SHARE_OF_VOXEL = 0.05  # NIfTI keeps its affine in single precision: corners move by some micrometres


def onto_grid(drawn: DrawnLabelMap, native: Geometry) -> npt.NDArray[Any]:
    """The answer's voxels as ``(z, y, x)`` on ``native``; what a cropped file leaves out is background.

    Raises ``GeometryError`` naming each property that differs.
    """
    steps, offset = _index_map(drawn.geometry, native)
    order = np.abs(steps).argmax(axis=1)
    flips = steps[np.arange(3), order] < 0
    turned = drawn.labels.transpose(order)
    turned = np.flip(turned, axis=tuple(int(axis) for axis in np.flatnonzero(flips)))
    sizes = np.array(turned.shape)
    start = np.where(flips, offset - sizes + 1, offset)
    whole = bool((start == 0).all()) and turned.shape == native.shape
    if whole:
        return np.ascontiguousarray(turned)
    if not drawn.cropped or (start < 0).any() or (start + sizes > native.shape).any():
        raise _differs(drawn.geometry, native)
    labels = np.zeros(native.shape, dtype=turned.dtype)
    labels[tuple(slice(int(a), int(a + n)) for a, n in zip(start, sizes, strict=True))] = turned
    return labels


def differences(got: Geometry, native: Geometry) -> tuple[str, ...]:
    """What a person would compare, each as "shape …, not …"; empty when the grids are one."""
    found = []
    if got.shape != native.shape:
        found.append(f"shape (z, y, x) {got.shape}, not {native.shape}")
    if not np.allclose(got.spacing_mm, native.spacing_mm, rtol=1e-3):
        found.append(f"spacing {_mm(got.spacing_mm)}, not {_mm(native.spacing_mm)}")
    if got.orientation != native.orientation:
        found.append(f"orientation {got.orientation}, not {native.orientation}")
    elif (angle := _angle_degrees(got, native)) > 0.1:
        found.append(f"axes turned by {angle:.1f}°")
    shift = float(np.linalg.norm(got.affine[:3, 3] - native.affine[:3, 3]))
    if shift > _tolerance_mm(native):
        found.append(f"first voxel {shift:.1f} mm away")
    return tuple(found)


def _index_map(got: Geometry, native: Geometry) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Native index = steps @ drawn index + offset, exact for a shared lattice."""
    exact = np.linalg.inv(native.affine) @ got.affine
    rounded = np.rint(exact)
    steps = rounded[:3, :3].astype(np.int64)
    turn = (np.abs(steps).sum(axis=0) == 1).all() and (np.abs(steps).sum(axis=1) == 1).all()
    snapped = native.affine @ rounded
    if not turn or not Geometry(shape=got.shape, affine=snapped).matches(
        got, tolerance_mm=_tolerance_mm(native)
    ):
        raise _differs(got, native)
    return steps, rounded[:3, 3].astype(np.int64)


def _differs(got: Geometry, native: Geometry) -> GeometryError:
    return GeometryError(
        expected="a label map on the grid of the frame that was exported",
        got="; ".join(differences(got, native)) or "voxels between those of the frame",
        hint="drawing on the exported image.nii.gz and saving with it as the reference volume",
    )


def _tolerance_mm(native: Geometry) -> float:
    return max(1e-2, _SHARE_OF_VOXEL * min(native.spacing_mm))


def _angle_degrees(one: Geometry, two: Geometry) -> float:
    a, b = (grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0) for grid in (one, two))
    return float(np.degrees(np.arccos(np.clip((a * b).sum(axis=0), -1, 1))).max())


def _mm(spacing: tuple[float, float, float]) -> str:
    return "×".join(f"{step:.4g}" for step in spacing) + " mm"
