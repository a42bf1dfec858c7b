"""What a training set looks like, for planning a training on it (after nnU-Net, Isensee et al. 2021). Torch-free.

Read slab by slab, so that memory does not grow with the volumes or their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.errors import StateError
from components.models.labeled import UNKNOWN, LabeledFrame, Shape

_SLAB = 32  # slices
_LOWEST_HU, _HIGHEST_HU = -1024, 3071  # 12 bits, as scanners store them

Spacing = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Statistics of labelled frames.

    Args:
        frames, patients: how many.
        spacing_mm: of all frames, along (z, y, x).
        shape: median voxels along (z, y, x).
        extent: median voxels along (z, y, x) of the box about all structures.
        structure_ml: median volume of each structure, by value, in the frames that hold it.
        foreground_hu: percentiles 0.5, 50 and 99.5 inside the structures, in HU.
    """

    frames: int
    patients: int
    spacing_mm: Spacing
    shape: Shape
    extent: Shape
    structure_ml: dict[int, float]
    foreground_hu: tuple[float, float, float]


def fingerprint(frames: Sequence[LabeledFrame], spacing_mm: Spacing) -> Fingerprint:
    """The fingerprint of ``frames``; ``StateError`` when they hold no structure."""
    histogram = np.zeros(_HIGHEST_HU - _LOWEST_HU + 1, dtype=np.int64)
    counts = np.zeros((len(frames), 256), dtype=np.int64)
    extents = []
    for number, frame in enumerate(frames):
        boxes = []
        for first, hu, labels in _slabs(frame):
            counts[number] += np.bincount(labels.ravel(), minlength=256)
            inside = (labels > 0) & (labels != UNKNOWN)
            values = hu[inside].astype(np.int64).clip(_LOWEST_HU, _HIGHEST_HU) - _LOWEST_HU
            histogram += np.bincount(values, minlength=len(histogram))
            if len(values):
                boxes.append(_box(inside, first))
        if boxes:
            low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
            extents.append(high - low + 1)
    if not extents:
        raise StateError(
            expected="frames with labelled structures",
            got=f"{len(frames)} frames without any",
            hint="running pseudo-label, or importing expert labels",
        )
    ml = float(np.prod(spacing_mm)) / 1000.0
    present = [int(value) for value in np.flatnonzero(counts.sum(axis=0)) if value not in (0, UNKNOWN)]
    return Fingerprint(
        frames=len(frames),
        patients=len({frame.patient_id for frame in frames}),
        spacing_mm=spacing_mm,
        shape=_median([frame.shape for frame in frames]),
        extent=_median(extents),
        structure_ml={v: float(np.median(counts[counts[:, v] > 0, v])) * ml for v in present},
        foreground_hu=_percentiles(histogram),
    )


def _slabs(frame: LabeledFrame) -> Iterator[tuple[int, npt.NDArray[np.int16], npt.NDArray[np.uint8]]]:
    depth, height, width = frame.shape
    for first in range(0, depth, _SLAB):
        size = (min(_SLAB, depth - first), height, width)
        yield first, frame.read_hu((first, 0, 0), size), frame.read_labels((first, 0, 0), size)


def _box(inside: npt.NDArray[np.bool_], first: int) -> tuple[list[int], list[int]]:
    """First and last voxel along each axis, in the frame."""
    along = [np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    offset = (first, 0, 0)
    low, high = zip(
        *((int(i[0]) + o, int(i[-1]) + o) for i, o in zip(along, offset, strict=True)), strict=True
    )
    return list(low), list(high)


def _median(shapes: Sequence[npt.ArrayLike]) -> Shape:
    z, y, x = (int(n) for n in np.ceil(np.median(np.array(shapes), axis=0)))
    return z, y, x


def _percentiles(histogram: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    """Of the values that were counted: the smallest HU with at least this share at or below it."""
    share = np.cumsum(histogram) / histogram.sum()
    low, middle, high = (float(np.searchsorted(share, q) + _LOWEST_HU) for q in (0.005, 0.5, 0.995))
    return low, middle, high
