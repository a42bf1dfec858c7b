"""A figure without pyplot: no global state, no window system, a fast import, the same bytes each time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

# Okabe & Ito 2008: eight colours that colour-blind readers tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Ink and lines of a figure on a page; the paper itself shows through."""

    ink: str
    line: str


# The inks of templates/base.html.
LIGHT, DARK = Theme(ink="#1b1f24", line="#c4cad1"), Theme(ink="#e7eaee", line="#4a535e")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches; the drawing sets the margins (layout engines double the time)."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """As PNG, without the metadata that names the program's version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def png(figure: Figure, *, dpi: int = 90) -> bytes:
    """The bytes that ``save`` would write; paper needs more dots to the inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi, metadata={"Software": None}, format="png")
    return buffer.getvalue()


def on_both_papers(figure: Figure) -> tuple[bytes, bytes]:
    """PNGs for a light and for a dark page; whatever was drawn in black becomes the page's ink."""
    images = []
    for earlier, theme in (("#000000", LIGHT), (LIGHT.ink, DARK)):
        _recolour(figure, earlier, theme)
        images.append(png(figure))
    return images[0], images[1]


def on_black(figure: Figure) -> bytes:
    """A WebP on black, as scans are shown, for a light and a dark page alike."""
    _recolour(figure, "#000000", DARK)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=90, facecolor="black", format="png")
    picture = io.BytesIO()
    Image.open(buffer).convert("RGB").save(picture, format="WEBP", quality=82, method=3)
    return picture.getvalue()


def _recolour(figure: Figure, earlier: str, theme: Theme) -> None:
    """Texts and lines one by one: searching a figure for them all makes ticks that nobody sees."""
    figure.set_facecolor("none")
    inked: list[Text | Line2D] = [*figure.texts]
    for part in figure.subfigs:
        part.set_facecolor("none")
        inked += part.texts
    legends = [*figure.legends]
    for axes in figure.axes:
        axes.set_facecolor("none")
        axes.tick_params(colors=theme.ink)
        inked += [child for child in axes.get_children() if isinstance(child, Text | Line2D)]
        inked += [axes.xaxis.label, axes.yaxis.label]
        legends += [legend] if (legend := axes.get_legend()) else []
        for spine in axes.spines.values():
            spine.set_color(theme.line)
    for legend in legends:
        legend.get_frame().set(facecolor="none", edgecolor=theme.line)
        inked += legend.get_texts()
    for artist in inked:
        if to_hex(artist.get_color()) == earlier:
            artist.set_color(theme.ink)


def readable(name: str) -> str:
    """``left_ventricle`` → ``left ventricle``."""
    return name.replace("_", " ")
