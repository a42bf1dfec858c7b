"""Pictures of a volume: three orthogonal slices as a reader expects to see them.

The volume must be LPS (``canonical_geometry``). Axial: patient's right on the left of the picture, anterior
on top. Coronal: the same sides, superior on top. Sagittal: anterior on the left, superior on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from components.errors import GeometryError
from components.volume.volume import LabelMap, Volume

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
PLANE_AXIS: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}
Rgb = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

# after Okabe and Ito (jfly.uni-koeln.de/color): told apart with any colour vision, and bright on grey
_PALETTE: tuple[Colour, ...] = (
    (213, 94, 0), (86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66),
    (64, 128, 255),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Window:
    """Hounsfield units shown from black to white."""

    low_hu: float
    high_hu: float


WINDOWS: dict[str, Window] = {
    "soft tissue": Window(low_hu=-160.0, high_hu=240.0),
    "contrast": Window(low_hu=-100.0, high_hu=500.0),
    "lung": Window(low_hu=-1350.0, high_hu=150.0),
    "bone": Window(low_hu=-500.0, high_hu=1300.0),
}


def colour_of(value: int) -> Colour:
    """The colour of a label value, the same in picture and legend."""
    return _PALETTE[(value - 1) % len(_PALETTE)]


def slice_rgb(
    volume: Volume,
    plane: Plane,
    index: int,
    *,
    window: Window,
    label_map: LabelMap | None = None,
    opacity: float = 0.35,
    long_side: int = 360,
) -> Rgb:
    """One slice as ``(row, column, 3)`` uint8, pixels square in mm, the labels' edges solid.

    Args:
        index: along z (axial), y (coronal) or x (sagittal), from 0.
        opacity: of a label's inside; 0 shows edges only.
        long_side: pixels of the longer side.
    Raises ``GeometryError`` for an index outside the volume or labels on another grid.
    """
    axis = PLANE_AXIS[plane]
    if not 0 <= index < volume.geometry.shape[axis]:
        raise GeometryError(
            expected=f"a {plane} slice from 0 to {volume.geometry.shape[axis] - 1}",
            got=str(index),
            hint="an index inside the volume",
        )
    rows, columns = _pixels(volume, axis, long_side)
    picture = _grey(_upright(volume.voxels_hu, axis, index)[np.ix_(rows, columns)], window)
    if label_map is None:
        return picture
    if label_map.labels.shape != volume.geometry.shape:
        raise GeometryError(
            expected=f"labels of shape {volume.geometry.shape}",
            got=str(label_map.labels.shape),
            hint="resampling them to the volume's grid",
        )
    return _overlay(picture, _upright(label_map.labels, axis, index)[np.ix_(rows, columns)], opacity)


def legend(names: Mapping[int, str]) -> tuple[tuple[str, Colour], ...]:
    """Structure and colour, in the order of the values."""
    return tuple((name, colour_of(value)) for value, name in sorted(names.items()))


def busiest_index(label_map: LabelMap, plane: Plane) -> int:
    """The slice with most labelled voxels; the middle one when nothing is labelled."""
    axis = PLANE_AXIS[plane]
    others = tuple(other for other in range(3) if other != axis)
    counts = np.count_nonzero(label_map.labels, axis=others)
    return int(counts.argmax()) if counts.any() else label_map.labels.shape[axis] // 2


def _upright(voxels: npt.NDArray[Any], axis: int, index: int) -> npt.NDArray[Any]:
    cut: npt.NDArray[Any] = voxels.take(index, axis=axis)
    return cut if axis == 0 else cut[::-1]  # z rises to superior, rows run downwards


def _pixels(volume: Volume, axis: int, long_side: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The voxel row and column that each pixel shows."""
    sides = [other for other in range(3) if other != axis]
    counts = [volume.geometry.shape[side] for side in sides]
    lengths_mm = [count * volume.geometry.spacing_mm[side] for count, side in zip(counts, sides, strict=True)]
    step_mm = max(lengths_mm) / long_side
    rows, columns = (
        np.minimum(np.arange(max(1, round(length / step_mm))) * step_mm * count / length, count - 1).astype(
            int
        )
        for length, count in zip(lengths_mm, counts, strict=True)
    )
    return rows, columns


def _grey(hu: npt.NDArray[np.int16], window: Window) -> Rgb:
    share = (hu.astype(np.float32) - window.low_hu) / (window.high_hu - window.low_hu)
    grey = (np.clip(share, 0, 1) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _overlay(picture: Rgb, labels: npt.NDArray[np.uint8], opacity: float) -> Rgb:
    colours = np.array([(0, 0, 0), *(colour_of(value) for value in range(1, 256))], dtype=np.float32)[labels]
    weight = np.where(_edges(labels), 1.0, opacity).astype(np.float32) * (labels > 0)
    mixed = picture * (1 - weight[..., None]) + colours * weight[..., None]
    return mixed.astype(np.uint8)


def _edges(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    padded = np.pad(labels, 1)
    inner = np.ones(labels.shape, dtype=bool)
    for shifted in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        inner &= shifted == labels
    return ~inner
