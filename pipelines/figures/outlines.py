"""One slice of a scan with the outlines of the model's and the expert's structures, as pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from scipy import ndimage

from components.volume.volume import LabelMap, Volume
from pipelines.figures.canvas import COLOURS

Picture = npt.NDArray[np.uint8]
_DASH = 5  # pixels


def outlined_slice(
    volume: Volume,
    predicted: LabelMap | None,
    expert: LabelMap | None,
    *,
    plane: int,
    index: int,
    pixels_per_mm: float,
    window_hu: tuple[float, float],
) -> Picture:
    """``(rows, columns, 3)``: the model's outlines in the structures' colours, the expert's dashed in white.

    Args:
        plane: 0 axial, 1 coronal, 2 sagittal, of an LPS grid; the head is above.
        index: of the slice along ``plane``.
        pixels_per_mm: of the picture, so that the planes have one scale.
    """
    across = [axis for axis in range(3) if axis != plane]
    lengths = [volume.geometry.shape[axis] * volume.geometry.spacing_mm[axis] for axis in across]
    size = (max(1, round(lengths[0] * pixels_per_mm)), max(1, round(lengths[1] * pixels_per_mm)))
    picture = _grey(np.take(volume.voxels_hu, index, axis=plane), size, window_hu)
    if predicted is not None:
        _draw(picture, _enlarged(np.take(predicted.labels, index, axis=plane), size))
    if expert is not None:
        _dash(picture, _enlarged(np.take(expert.labels, index, axis=plane), size))
    # z rises towards the head, rows of a picture run down.
    return picture if plane == 0 else np.ascontiguousarray(picture[::-1])


def structure_colour(value: int) -> str:
    """The colour of label value 1, 2, …, as in the volume curves."""
    return COLOURS[(value - 1) % len(COLOURS)]


def _grey(slice_hu: npt.NDArray[np.int16], size: tuple[int, int], window_hu: tuple[float, float]) -> Picture:
    low, high = window_hu
    unit = np.clip((slice_hu.astype(np.float32) - low) / (high - low), 0.0, 1.0)
    factors = [wanted / found for wanted, found in zip(size, unit.shape, strict=True)]
    large = ndimage.zoom(unit, factors, order=1, grid_mode=True, mode="nearest")
    return np.repeat((255 * large[..., None]).round().astype(np.uint8), 3, axis=2)


def _enlarged(labels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    rows, columns = (
        ((np.arange(wanted) + 0.5) * found / wanted).astype(np.intp)
        for wanted, found in zip(size, labels.shape, strict=True)
    )
    return np.asarray(labels[np.ix_(rows, columns)])


def _draw(picture: Picture, labels: npt.NDArray[np.uint8]) -> None:
    edge = (labels > 0) & _border(labels, 5)
    palette = np.array([to_rgb(structure_colour(value)) for value in range(1, 256)])
    picture[edge] = (255 * palette[labels[edge] - 1]).round()


def _dash(picture: Picture, labels: npt.NDArray[np.uint8]) -> None:
    """One pixel wide, so that the model's outline stays visible where the two agree."""
    border = np.zeros(labels.shape, dtype=bool)
    border[1:] |= labels[1:] != labels[:-1]
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    rows, columns = np.indices(labels.shape)
    picture[border & ((rows + columns) // _DASH % 2 == 0)] = 255


def _border(labels: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.bool_]:
    return np.asarray(ndimage.maximum_filter(labels, width) != ndimage.minimum_filter(labels, width))
