"""Labelled examples as training sees them. Torch-free; the caller says where the voxels come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

UNKNOWN = 255  # a label that says nothing: such a voxel is ignored in the loss
Shape = tuple[int, int, int]
ReadCrop = Callable[[Shape, Shape], npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabeledFrame:
    """A frame with its label map, read crop by crop.

    Args:
        frame_id, patient_id: names.
        provenance: of the label.
        shape: voxels along (z, y, x).
        read_hu: ``(start, size)`` → int16 Hounsfield units inside the frame.
        read_labels: ``(start, size)`` → uint8 labels on the same grid; 255 is ignored.
        foreground: class → ``(n, 3)`` voxels of it, a sample to centre patches on.
    """

    frame_id: str
    patient_id: str
    provenance: str
    shape: Shape
    read_hu: ReadCrop
    read_labels: ReadCrop
    foreground: Mapping[int, npt.NDArray[np.intp]]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabeledScan:
    """A scan with its findings.

    Args:
        case_id, patient_id: names.
        provenance: of the findings.
        read_hu: → ``(z, y, x)`` int16 Hounsfield units.
        findings: ``(l,)`` float32 of 0, 1 or NaN (unknown).
    """

    case_id: str
    patient_id: str
    provenance: str
    read_hu: Callable[[], npt.NDArray[np.int16]]
    findings: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class UnlabelledScan:
    """A scan of which no finding is known, or none that may be read; see ``LabeledScan``."""

    case_id: str
    patient_id: str
    read_hu: Callable[[], npt.NDArray[np.int16]]


def in_memory(array: npt.NDArray[Any]) -> ReadCrop:
    """Crops of an array that is held in memory."""
    return partial(_crop, array)  # and not a closure: another process of a training must be able to get it


def _crop(array: npt.NDArray[Any], start: Shape, size: Shape) -> npt.NDArray[Any]:
    return array[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))]


def sample_foreground(
    labels: npt.NDArray[np.uint8], generator: np.random.Generator, *, per_class: int = 64
) -> dict[int, npt.NDArray[np.intp]]:
    """Up to ``per_class`` voxels ``(n, 3)`` of every class in ``labels`` but background and 255."""
    found = {}
    for value in np.unique(labels):
        if value not in (0, 255):
            flat = np.flatnonzero(labels == value)
            chosen = generator.choice(flat, size=min(per_class, flat.size), replace=False)
            found[int(value)] = np.stack(np.unravel_index(np.sort(chosen), labels.shape), axis=1)
    return found


def padded_crop(read: ReadCrop, shape: Shape, start: Shape, size: Shape, fill: int) -> npt.NDArray[Any]:
    """``[start, start + size)`` of a frame of ``shape``, with ``fill`` where that leaves the frame."""
    low = [min(max(a, 0), n - 1) for a, n in zip(start, shape, strict=True)]
    high = [max(min(a + s, n), b + 1) for a, s, n, b in zip(start, size, shape, low, strict=True)]
    inside = read((low[0], low[1], low[2]), (high[0] - low[0], high[1] - low[1], high[2] - low[2]))
    if inside.shape == tuple(size) and low == list(start):
        return inside
    result = np.full(size, fill, dtype=inside.dtype)
    source, target = [], []
    for a, s, b, e in zip(start, size, low, high, strict=True):
        first, last = max(b - a, 0), min(e - a, s)
        target.append(slice(first, max(first, last)))
        source.append(slice(first + a - b, max(first, last) + a - b))
    result[tuple(target)] = inside[tuple(source)]
    return result
