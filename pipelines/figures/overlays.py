"""The model's label map beside the expert's, on three orthogonal slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from components.volume.slices import PLANES
from components.volume.volume import LabelMap, Volume
from pipelines.figures.canvas import COLOURS, new_figure


@dataclass(frozen=True, kw_only=True, eq=False)
class Overlay:
    """One frame on an LPS grid; ``caption`` says which and how good."""

    caption: str
    volume: Volume
    predicted: LabelMap
    expert: LabelMap


def draw_overlays(overlays: Sequence[Overlay], *, window_hu: tuple[float, float]) -> Figure:
    """A row per frame: the expert's axial, coronal and sagittal slice, then the model's, through one centre."""
    rows = max(len(overlays), 1)
    figure = new_figure(11.0, 2.3 * rows)
    for strip, overlay in zip(figure.subfigures(rows, 1, squeeze=False)[:, 0], overlays, strict=False):
        strip.suptitle(overlay.caption, fontsize=9, x=0.01, ha="left")
        strip.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.82, wspace=0.03)
        centre = _centre(overlay.expert)
        columns = [
            (who, label_map, plane)
            for who, label_map in (("expert", overlay.expert), ("model", overlay.predicted))
            for plane in range(len(PLANES))
        ]
        for place, (who, label_map, plane) in enumerate(columns):
            axes = strip.add_subplot(1, len(columns), place + 1)
            draw_slice(axes, overlay.volume, label_map, plane, centre[plane], window_hu)
            axes.set_title(f"{who}, {PLANES[plane]}", fontsize=8, loc="left")
    return figure


def draw_slice(
    axes: Axes,
    volume: Volume,
    label_map: LabelMap,
    plane: int,
    index: int,
    window_hu: tuple[float, float],
) -> None:
    across = [axis for axis in range(3) if axis != plane]
    spacing = volume.geometry.spacing_mm
    grey = np.take(volume.voxels_hu, index, axis=plane)
    labels = np.take(label_map.labels, index, axis=plane)
    low, high = window_hu
    picture = np.clip((grey.astype(np.float64) - low) / (high - low), 0.0, 1.0)[..., None].repeat(3, axis=-1)
    inside = labels > 0
    picture[inside] = 0.55 * picture[inside] + 0.45 * _palette()[labels[inside] % len(COLOURS)]
    # z rises towards the head, so coronal and sagittal pictures stand upright with the origin below.
    axes.imshow(
        picture, origin="upper" if plane == 0 else "lower", aspect=spacing[across[0]] / spacing[across[1]]
    )
    axes.set_axis_off()


def _palette() -> npt.NDArray[np.float64]:
    """Label value → RGB, the same colours as in the volume curves."""
    colours = [to_rgb(colour) for colour in COLOURS]
    return np.array(colours[-1:] + colours[:-1])


def _centre(label_map: LabelMap) -> tuple[int, int, int]:
    """The middle of the labelled voxels along each axis, else of the grid."""
    found = np.argwhere(label_map.labels > 0)
    z, y, x = np.median(found, axis=0) if len(found) else np.array(label_map.labels.shape) // 2
    return int(z), int(y), int(x)
