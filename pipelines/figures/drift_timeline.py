"""Drift over time: how surprising each window was in each channel, and which windows alarmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pipelines.figures.canvas import COLOURS, new_figure

_SMALLEST_P = 1e-4


class Window(NamedTuple):
    """One verdict: ``p_holm`` are (channel, Holm-adjusted p-value)."""

    batch: str
    alarmed: bool
    p_holm: tuple[tuple[str, float], ...]


def drift_timeline(windows: Sequence[Window]) -> Figure:
    """A line per channel, oldest window first; small p-values are high, windows that alarmed have a bar behind them."""
    figure = new_figure(11.5, 3.4)
    axes = figure.add_axes((0.075, 0.2, 0.735, 0.74))
    names = sorted({name for window in windows for name, _ in window.p_holm})
    for place, window in enumerate(windows):
        if window.alarmed:
            axes.axvspan(place - 0.4, place + 0.4, color=COLOURS[1], alpha=0.22, linewidth=0)
    for name, colour in zip(names, COLOURS, strict=False):
        points = [
            (place, max(p, _SMALLEST_P))
            for place, window in enumerate(windows)
            for channel, p in window.p_holm
            if channel == name
        ]
        axes.plot(
            *zip(*points, strict=True), marker="o", markersize=4, color=colour, linewidth=1.3, label=name
        )
    axes.set(yscale="log", ylim=(1.6, _SMALLEST_P / 1.6), xlim=(-0.6, len(windows) - 0.4), ylabel="p (Holm)")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: _batch_at(windows, place)))
    axes.spines[["top", "right"]].set_visible(False)
    if names:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
    return figure


def _batch_at(windows: Sequence[Window], place: float) -> str:
    index = round(place)
    return windows[index].batch[:16] if 0 <= index < len(windows) else ""
