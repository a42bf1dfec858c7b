"""A chest CT at a glance, as a radiologist windows it: three axial slices and a coronal one, twice."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from components.scorecard.lung_range import lung_range
from components.volume.slices import WINDOWS
from components.volume.volume import Volume
from pipelines.figures.outlines import Picture, outlined_slice

SHOWN = ("lung", "soft tissue")  # of components.volume.slices.WINDOWS, from above
_CELL_PX, _GAP_PX, _AXIAL, _CORONAL = 230, 4, 0, 1


def chest_views(volume: Volume) -> bytes:
    """A WebP, black where nothing is: rows are the lung and the mediastinal window.

    Columns: axial slices a quarter, half and three quarters down the lungs, and a coronal one through their middle.

    Args:
        volume: on an LPS grid.
    """
    (low, high), (front, back) = lung_range(volume)
    slices = [(_AXIAL, round(high - share * (high - low))) for share in (0.25, 0.5, 0.75)]
    slices.append((_CORONAL, (front + back) // 2))
    lengths = [n * step for n, step in zip(volume.geometry.shape, volume.geometry.spacing_mm, strict=True)]
    rows = []
    for name in SHOWN:
        window = WINDOWS[name]
        cells = [
            outlined_slice(
                volume, None, None, plane=plane, index=index, pixels_per_mm=_CELL_PX / max(lengths),
                window_hu=(window.low_hu, window.high_hu),
            )
            for plane, index in slices
        ]  # fmt: skip
        rows.append(_beside([_in_cell(cell) for cell in cells], axis=1))
    buffer = io.BytesIO()
    Image.fromarray(_beside(rows, axis=0)).save(buffer, format="WEBP", quality=82, method=3)
    return buffer.getvalue()


def _in_cell(picture: Picture) -> Picture:
    cell = np.zeros((_CELL_PX, _CELL_PX, 3), np.uint8)
    height, width = (min(side, _CELL_PX) for side in picture.shape[:2])
    top, left = (_CELL_PX - height) // 2, (_CELL_PX - width) // 2
    cell[top : top + height, left : left + width] = picture[:height, :width]
    return cell


def _beside(pictures: list[Picture], *, axis: int) -> Picture:
    gap = np.zeros_like(pictures[0][:_GAP_PX] if axis == 0 else pictures[0][:, :_GAP_PX])
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.concatenate(parts, axis=axis)
