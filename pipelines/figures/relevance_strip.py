"""Where in a scan findings come from: a strip of relevance beside the coronal slice, and the axial slice it names."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.models.relevance import Relevance
from components.models.triplet_place import SlicePlace
from components.volume.canonical import canonical_geometry
from components.volume.resample import resample
from components.volume.volume import Volume
from pipelines.figures.canvas import COLOURS, new_figure, readable

# Red says the finding, blue speaks against it, white neither: told apart with any colour vision.
_DIVERGING = "RdBu_r"
_MARK = COLOURS[1]
_PER_ROW = 4
# Inches: the axis' labels, the heading over the strips, the space under them; a strip with its words; an axial slice.
_LEFT, _HEAD, _FOOT, _STRIP, _AXIAL = 0.65, 0.75, 0.35, 1.4, 2.6
_TALLEST, _WIDEST = 3.6, 4.6  # of the coronal slice


def draw_relevance(
    volume: Volume, relevance: Relevance, findings: Sequence[str], *, window_hu: tuple[float, float]
) -> Figure:
    """The head is above; each strip has its own scale, ± its largest value in logits, white where 0.

    Args:
        volume: the scan whose slices are named, on any grid.
        findings: of the model, at least one: a strip and an axial slice each.
    """
    shown = resample(volume, canonical_geometry(volume.geometry, None))
    places = [relevance.place(name, volume.geometry) for name in findings]
    z_mm, x_mm = edges_mm(shown, 0), edges_mm(shown, 2)
    tall = min(_TALLEST, _WIDEST * (z_mm[1] - z_mm[0]) / (x_mm[1] - x_mm[0]))
    wide = tall * (x_mm[1] - x_mm[0]) / (z_mm[1] - z_mm[0])
    rows, columns = -(-len(findings) // _PER_ROW), min(len(findings), _PER_ROW)
    width = max(_LEFT + wide + 0.3 + _STRIP * len(findings), _AXIAL * columns + 0.2)
    height = _HEAD + tall + _FOOT + _AXIAL * rows
    figure = new_figure(width, height)

    def panel(left: float, top: float, across: float, down: float) -> Axes:
        """Axes at a place in inches from the upper left."""
        return figure.add_axes((left / width, 1 - (top + down) / height, across / width, down / height))

    coronal_panel(panel(_LEFT, _HEAD, wide, tall), shown, places, window_hu)
    for i, (name, place) in enumerate(zip(findings, places, strict=True)):
        strip_panel(panel(_LEFT + wide + 0.3 + _STRIP * i, _HEAD, 0.3, tall), relevance, name, place, z_mm)
        row, column = divmod(i, _PER_ROW)
        top = _HEAD + tall + _FOOT + _AXIAL * row + 0.35
        axial_panel(
            panel(0.1 + _AXIAL * column, top, _AXIAL - 0.2, _AXIAL - 0.4),
            shown,
            readable(name),
            place,
            window_hu,
        )
    return figure


def edges_mm(shown: Volume, axis: int) -> tuple[float, float]:
    """Of the volume along the patient's z (axis 0) or x (axis 2)."""
    first, step = shown.geometry.affine[2 - axis, 3], shown.geometry.spacing_mm[axis]
    return float(first - step / 2), float(first + step * (shown.geometry.shape[axis] - 0.5))


def coronal_panel(
    axes: Axes, shown: Volume, places: Sequence[SlicePlace], window_hu: tuple[float, float]
) -> None:
    """The middle slice of an LPS volume, with a line at each place."""
    extent = (*edges_mm(shown, 2), *edges_mm(shown, 0))
    middle = shown.voxels_hu[:, shown.geometry.shape[1] // 2]
    axes.imshow(
        middle,
        cmap="gray",
        vmin=window_hu[0],
        vmax=window_hu[1],
        origin="lower",
        extent=extent,
        aspect="auto",
    )
    for place in places:
        axes.axhline(place.position_mm, color=_MARK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xticks([])
    axes.set_ylabel("superior–inferior, mm", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_title("coronal, through the middle", fontsize=8, loc="left")


def strip_panel(
    axes: Axes, relevance: Relevance, finding: str, place: SlicePlace, z_mm: tuple[float, float]
) -> None:
    """The relevance of each triplet over ``z_mm``, with the place's slice named beside it."""
    values = np.ma.masked_array(relevance.of(finding), ~relevance.real)
    largest = float(np.abs(values).max()) or 1.0
    axes.pcolormesh(
        [0.0, 1.0], relevance.grid.edges_mm(), values[:, None], cmap=_DIVERGING, vmin=-largest, vmax=largest
    )
    axes.set(xlim=(0, 1), ylim=z_mm, xticks=[], yticks=[])
    axes.axhline(place.position_mm, color=_MARK, linewidth=1.5)
    axes.annotate(
        f"slice {place.number}\nof {place.count}",
        (1.0, place.position_mm),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=8,
        va="center",
        annotation_clip=False,
    )
    axes.set_title(
        f"{fill(readable(finding), 16)}\n{relevance.probabilities[finding]:.2f}", fontsize=8, loc="left"
    )
    axes.set_xlabel(f"± {largest:.2g}", fontsize=8)


def axial_panel(
    axes: Axes, shown: Volume, title: str, place: SlicePlace, window_hu: tuple[float, float]
) -> None:
    """The place's slice of an LPS volume."""
    _, y, x = shown.geometry.spacing_mm
    axes.imshow(
        shown.voxels_hu[_row(shown, place)], cmap="gray", vmin=window_hu[0], vmax=window_hu[1], aspect=y / x
    )
    axes.set_axis_off()
    axes.set_title(f"{title}\n{place}", fontsize=8, loc="left")


def _row(shown: Volume, place: SlicePlace) -> int:
    """The named slice itself where the shown grid has the scan's own slices, else the nearest."""
    count = shown.geometry.shape[0]
    if count == place.count:
        return place.index if place.from_feet else count - 1 - place.index
    first, step = shown.geometry.affine[2, 3], shown.geometry.spacing_mm[0]
    return int(np.clip(round((place.position_mm - first) / step), 0, count - 1))
