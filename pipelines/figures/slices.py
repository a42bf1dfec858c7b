"""Scans side by side, with or without a model's label map over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from components.volume.volume import LabelMap, Volume
from pipelines.figures.canvas import new_figure
from pipelines.figures.overlays import draw_slice

Panel = tuple[str, Volume, LabelMap | None]


def draw_slices(panels: Sequence[Panel], *, window_hu: tuple[float, float]) -> Figure:
    """A row per panel (caption, volume, label map or ``None``): axial, coronal and sagittal slices.

    The slices go through the middle of the labelled voxels, or of the volume.
    """
    figure = new_figure(7.5, 2.6 * max(len(panels), 1))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.93, wspace=0.03, hspace=0.12)
    for row, (caption, volume, label_map) in enumerate(panels):
        shown = label_map or _empty(volume)
        found = np.argwhere(shown.labels > 0)
        centre = np.median(found, axis=0) if len(found) else np.array(volume.geometry.shape) // 2
        for plane in range(3):
            axes = figure.add_subplot(max(len(panels), 1), 3, 3 * row + plane + 1)
            draw_slice(axes, volume, shown, plane, int(centre[plane]), window_hu)
            if plane == 0:
                axes.set_title(caption, fontsize=8, loc="left")
    return figure


def _empty(volume: Volume) -> LabelMap:
    return LabelMap(labels=np.zeros(volume.geometry.shape, np.uint8), geometry=volume.geometry, names={})
