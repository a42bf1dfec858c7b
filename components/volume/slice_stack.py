"""Parallel slices as one grid, or the reasons why they are none (DICOM PS3.3 C.7.6.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.volume.geometry import Geometry

_SAME_PLACE_MM = 0.01
_SAME_DIRECTION = 1e-3
_SHEAR_DEGREES = 0.2
_TILT_DEGREES = 0.5
_RIGHT_ANGLE = 3.5e-3  # of unit vectors: 0.2°, as for the shear


@dataclass(frozen=True, kw_only=True, eq=False)
class SliceStack:
    """The slices of one frame, in any order.

    Args:
        positions_mm: ``(n, 3)``; Image Position (Patient): (x, y, z) of the first voxel's centre.
        orientations: ``(n, 6)``; Image Orientation (Patient): directions of rising column, then row.
        pixel_spacings_mm: ``(n, 2)``; Pixel Spacing: between rows, between columns.
        sizes: ``(n, 2)``; rows, columns.
        tilt_degrees: Gantry/Detector Tilt, 0 when absent.
    """

    positions_mm: npt.NDArray[np.float64]
    orientations: npt.NDArray[np.float64]
    pixel_spacings_mm: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int64]
    tilt_degrees: float

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """``(3,)`` unit normal of the first slice."""
        normal = np.cross(self.orientations[0, :3], self.orientations[0, 3:])
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)

    @property
    def order(self) -> npt.NDArray[np.intp]:
        """``(n,)`` slices along the normal."""
        return np.argsort(self.positions_mm @ self.normal, kind="stable")


def is_orthonormal(orientation: Sequence[float]) -> bool:
    """Whether Image Orientation (Patient), six numbers, is two unit vectors at a right angle (C.7.6.2.1.1)."""
    axes = np.array(orientation, dtype=np.float64).reshape(2, 3)
    return bool(np.abs(axes @ axes.T - np.eye(2)).max() <= _RIGHT_ANGLE)


def problems(stack: SliceStack) -> tuple[str, ...]:
    """Every reason not to stack these slices; empty when they make a regular grid."""
    found = _mixed_slices(stack)
    if found:
        return found
    steps = np.diff((stack.positions_mm @ stack.normal)[stack.order])
    duplicates = int((steps < _SAME_PLACE_MM).sum())
    reasons = [_tilt(stack), _uneven(steps[steps >= _SAME_PLACE_MM])]
    if duplicates:
        reasons.append(f"duplicate positions: {duplicates} of {len(stack.positions_mm)} slices")
    return tuple(reason for reason in reasons if reason)


def grid(stack: SliceStack) -> Geometry:
    """The grid of the stack in its ``order``; call it only when there are no ``problems``."""
    first, last = stack.positions_mm[stack.order[[0, -1]]]
    affine = np.eye(4)
    affine[:3, 0] = (
        (last - first) / (len(stack.order) - 1) if len(stack.order) > 1 else stack.normal  # one slice: 1 mm
    )
    affine[:3, 1] = stack.orientations[0, 3:] * stack.pixel_spacings_mm[0, 0]
    affine[:3, 2] = stack.orientations[0, :3] * stack.pixel_spacings_mm[0, 1]
    affine[:3, 3] = first
    rows, columns = (int(n) for n in stack.sizes[0])
    return Geometry(shape=(len(stack.order), rows, columns), affine=affine)


def _mixed_slices(stack: SliceStack) -> tuple[str, ...]:
    reasons = []
    if (stack.sizes != stack.sizes[0]).any():
        reasons.append("slices of different sizes")
    if np.abs(stack.pixel_spacings_mm - stack.pixel_spacings_mm[0]).max() > 1e-4:
        reasons.append("slices of different pixel spacings")
    if np.abs(stack.orientations - stack.orientations[0]).max() > _SAME_DIRECTION:
        reasons.append("slices of different orientations")
    return tuple(reasons)


def _tilt(stack: SliceStack) -> str:
    if abs(stack.tilt_degrees) > _TILT_DEGREES:
        return f"gantry tilt of {abs(stack.tilt_degrees):.1f}°"
    first, last = stack.positions_mm[stack.order[[0, -1]]]
    path = last - first
    length = float(np.linalg.norm(path))
    if length < _SAME_PLACE_MM:
        return ""
    across = float(np.linalg.norm(path - (path @ stack.normal) * stack.normal))
    angle = float(np.degrees(np.arctan2(across, abs(float(path @ stack.normal)))))
    return f"gantry tilt: slices are sheared by {angle:.1f}°" if angle > _SHEAR_DEGREES else ""


def _uneven(steps_mm: npt.NDArray[np.float64]) -> str:
    """A gap when every step is a multiple of the smallest one; mixed steps otherwise."""
    if steps_mm.size < 2:
        return ""
    usual = float(np.median(steps_mm))
    tolerance = max(0.05, 0.02 * usual)
    if np.abs(steps_mm - usual).max() <= tolerance:
        return ""
    smallest = float(steps_mm.min())
    multiples = np.round(steps_mm / smallest)
    regular = np.abs(steps_mm - multiples * smallest).max() <= 0.05 * smallest
    if regular and (multiples == 1).sum() * 2 > multiples.size:
        return f"missing slices: {int((multiples - 1).sum())} in {int((multiples > 1).sum())} gaps"
    kinds = sorted({round(float(step), 2) for step in steps_mm})
    shown = ", ".join(f"{kind:g}" for kind in kinds[:5]) + (" …" if len(kinds) > 5 else "")
    return f"mixed slice steps: {shown} mm"
