"""The gate's comparisons in one picture: each difference, how small it may be, and the margin it must stay above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipelines.figures.canvas import COLOURS, new_figure, readable

HELD, FAILED, OPEN = COLOURS[0], COLOURS[1], "0.6"


def draw_gate_forest(checks: Sequence[Mapping[str, Any]]) -> Figure:
    """One row per non-inferiority check: the difference, a line down to its lower bound, and a bar for the margin.

    Args:
        checks: of a verdict as JSON; those with another name are left out.
    """
    rows = [c for c in checks if c["name"] == "non-inferiority" and c["mean"] is not None]
    height = 1.1 + 0.28 * max(len(rows), 1)
    figure = new_figure(7.5, height)
    figure.subplots_adjust(left=0.44, right=0.97, bottom=0.6 / height, top=1 - 0.15 / height)
    axes = figure.add_subplot()
    for place, check in enumerate(rows):
        colour = {True: HELD, False: FAILED}.get(check["holds"], OPEN)
        if check["lower"] is not None:
            axes.plot([check["lower"], check["mean"]], [place, place], color=colour, linewidth=2)
        axes.plot([check["mean"]], [place], "o", color=colour)
        axes.plot([check["bound"]], [place], "|", color="#000000", markersize=12)
    axes.axvline(0.0, color="0.6", linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{label_of(check)}  (n={check['patients']})" for check in rows])
    axes.invert_yaxis()
    axes.set_xlabel("challenger − champion")
    axes.grid(axis="x", alpha=0.3)
    return figure


def label_of(check: Mapping[str, Any]) -> str:
    """``score`` of a stratum by its name, anything else by what it is of."""
    if check["endpoint"] != "score":
        return readable(str(check["endpoint"])).replace("/", ", ")
    return "all patients" if check["stratum"] == "all" else f"arrived in {check['stratum']}"
