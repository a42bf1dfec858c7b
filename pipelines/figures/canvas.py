"""A figure without pyplot: no global state, no window system, a fast import, the same bytes each time."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe & Ito 2008: eight colours that colour-blind readers tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches; the drawing sets the margins (layout engines double the time)."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """As PNG, without the metadata that names the program's version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def png(figure: Figure) -> bytes:
    """The bytes that ``save`` would write."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=90, metadata={"Software": None}, format="png")
    return buffer.getvalue()


def readable(name: str) -> str:
    """``left_ventricle`` → ``left ventricle``."""
    return name.replace("_", " ")
