"""An animated picture of a cine: three slices with outlines, beside the volume curves with a moving marker."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from components.metrics.cardiac_cycle import volumes_ml
from components.volume.slices import PLANES
from components.volume.volume import LabelMap, Volume
from pipelines.figures.canvas import DARK, new_figure, readable
from pipelines.figures.outlines import Picture, outlined_slice, structure_colour

_PAPER = "#14171b"  # always dark, as scans are read
_WIDTH_PX, _HEIGHT_PX, _DPI = 960, 370, 100
_SIDE_PX, _GAP_PX, _BOTTOM_PX = 206, 8, 84
_SECONDS_PER_BEAT = 2.0  # slower than life, to be seen


@dataclass(frozen=True, kw_only=True, eq=False)
class CineFrame:
    """One phase on an LPS grid; ``predicted`` is ``None`` where the model failed, ``expert`` where nobody drew."""

    phase_percent: float
    volume: Volume
    predicted: LabelMap | None
    expert: LabelMap | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Cine:
    """``animation`` is a WebP, ``still`` a PNG of its first frame; both stand in a plain ``<img>``."""

    animation: bytes
    still: bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What is kept of a frame once its volume is gone."""

    phase_percent: float
    slices: tuple[Picture, ...]
    predicted_ml: dict[str, float] | None
    expert_ml: dict[str, float] | None


def draw_cine(
    frames: Iterable[CineFrame],
    structures: Sequence[str],
    *,
    caption: str,
    window_hu: tuple[float, float],
) -> Cine:
    """Animate the frames in their order; one volume is held at a time.

    Args:
        frames: of one case in the order of their phases, all on grids of one shape.
        structures: names of label values 1, 2, …
        caption: which case and how good.
        window_hu: the grey window.
    """
    seen = _look(frames, window_hu)
    figure = new_figure(_WIDTH_PX / _DPI, _HEIGHT_PX / _DPI)
    figure.set(dpi=_DPI, facecolor=_PAPER)
    figure.text(0.012, 0.93, caption, color=DARK.ink, fontsize=10)
    images = [_slice_axes(figure, plane, seen[0].slices[plane]) for plane in range(len(PLANES))]
    curves = figure.add_axes((0.725, 0.32, 0.26, 0.53))
    _curves(curves, seen, structures)
    marker = curves.axvline(0.0, color=DARK.ink, linewidth=1.2, animated=True)
    phase = figure.text(0.985, 0.93, "", color=DARK.ink, fontsize=10, ha="right", animated=True)
    pictures = _rendered(figure, seen, images, marker, phase)
    return Cine(animation=_webp(pictures), still=_png(pictures[0]))


def _look(frames: Iterable[CineFrame], window_hu: tuple[float, float]) -> list[_Seen]:
    seen: list[_Seen] = []
    centre: tuple[int, ...] | None = None
    for frame in frames:
        centre = centre or _centre(frame)
        geometry = frame.volume.geometry
        largest_mm = max(n * step for n, step in zip(geometry.shape, geometry.spacing_mm, strict=True))
        slices = tuple(
            outlined_slice(
                frame.volume, frame.predicted, frame.expert, plane=plane,
                index=min(centre[plane], geometry.shape[plane] - 1),  # frames may differ in size
                pixels_per_mm=_SIDE_PX / largest_mm, window_hu=window_hu,
            )
            for plane in range(len(PLANES))
        )  # fmt: skip
        seen.append(
            _Seen(
                phase_percent=frame.phase_percent,
                slices=slices,
                predicted_ml=volumes_ml(frame.predicted) if frame.predicted else None,
                expert_ml=volumes_ml(frame.expert) if frame.expert else None,
            )
        )
    return seen


def _centre(frame: CineFrame) -> tuple[int, ...]:
    """The middle of what the expert or the model drew, else of the grid."""
    for label_map in (frame.expert, frame.predicted):
        if label_map is not None and label_map.labels.any():
            return tuple(int(place) for place in np.median(np.argwhere(label_map.labels > 0), axis=0))
    return tuple(length // 2 for length in frame.volume.geometry.shape)


def _slice_axes(figure: Figure, plane: int, picture: Picture) -> Any:
    """An image of its own size in pixels, so that nothing is drawn blurred."""
    height, width = picture.shape[:2]
    left = 12 + plane * (_SIDE_PX + _GAP_PX)
    x, y = left + (_SIDE_PX - width) // 2, _BOTTOM_PX + (_SIDE_PX - height) // 2
    axes = figure.add_axes((x / _WIDTH_PX, y / _HEIGHT_PX, width / _WIDTH_PX, height / _HEIGHT_PX))
    axes.set_axis_off()
    top = _BOTTOM_PX + _SIDE_PX + 8
    figure.text(left / _WIDTH_PX, top / _HEIGHT_PX, PLANES[plane], color=DARK.ink, fontsize=8)
    return axes.imshow(picture, interpolation="nearest", aspect="auto", animated=True)


def _curves(axes: Axes, seen: Sequence[_Seen], structures: Sequence[str]) -> None:
    phases = [frame.phase_percent for frame in seen]
    for value, name in enumerate(structures, start=1):
        colour = structure_colour(value)
        line = [(frame.predicted_ml or {}).get(name, np.nan) for frame in seen]
        dots = [(frame.expert_ml or {}).get(name, np.nan) for frame in seen]
        axes.plot(phases, line, "-", color=colour, linewidth=1.4, label=readable(name))
        axes.plot(phases, dots, "o", color=colour, markersize=3.2)
    axes.set_facecolor(_PAPER)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(DARK.line)
    axes.tick_params(colors=DARK.ink, labelsize=7.5)
    axes.set_xlabel("phase of R-R, %", color=DARK.ink, fontsize=8)
    axes.set_ylabel("ml", color=DARK.ink, fontsize=8)
    figure = axes.figure
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="lower center", ncols=7, fontsize=8, frameon=False, labelcolor=DARK.ink,
        bbox_to_anchor=(0.5, 0.01),
    )  # fmt: skip
    legend.set_in_layout(False)
    figure.text(
        0.012, 0.165, "outline: model   dashed white: expert   line: model's volume   dots: expert's",
        color=DARK.ink, fontsize=8,
    )  # fmt: skip


def _rendered(
    figure: Figure, seen: Sequence[_Seen], images: Sequence[Any], marker: Any, phase: Any
) -> list[Picture]:
    """What does not move is drawn once."""
    canvas: Any = figure.canvas  # matplotlib leaves its canvas without types
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    pictures = []
    for frame in seen:
        canvas.restore_region(still)
        for image, picture in zip(images, frame.slices, strict=True):
            image.set_data(picture)
            figure.draw_artist(image)
        marker.set_xdata([frame.phase_percent] * 2)
        phase.set_text(f"phase {frame.phase_percent:.0f} %{'' if frame.predicted_ml else ', no prediction'}")
        figure.draw_artist(marker)
        figure.draw_artist(phase)
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return pictures


def _webp(pictures: Sequence[npt.NDArray[np.uint8]]) -> bytes:
    images = [Image.fromarray(picture) for picture in pictures]
    buffer = io.BytesIO()
    images[0].save(
        buffer, format="WEBP", save_all=True, append_images=images[1:], loop=0, quality=75, method=3,
        duration=round(1000 * _SECONDS_PER_BEAT / len(images)),
    )  # fmt: skip
    return buffer.getvalue()


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
