"""The picture of ``ctloop bench gate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from pipelines.figures.canvas import COLOURS, new_figure

if TYPE_CHECKING:
    from pipelines.bench.gate import Rate


def draw_gate(rates: Sequence[Rate], networks: Sequence[Mapping[str, Any]]) -> Figure:
    """Left: the share of challengers that passed. Right: trained networks, their difference in each stratum."""
    figure = new_figure(13.0, 5.2)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.2, right=0.98, bottom=0.12, top=0.9, wspace=0.62)
    for place, rate in enumerate(rates):
        colour = COLOURS[1] if "worse" in rate.scenario.name else COLOURS[0]
        left.barh(place, rate.rate, color=colour, height=0.6)
        left.text(rate.rate + 0.01, place, f"{rate.rate:.3f}", va="center", fontsize=8)
    left.set_yticks(range(len(rates)), [rate.scenario.name for rate in rates], fontsize=8)
    left.invert_yaxis()
    left.axvline(0.05, color="#000000", linewidth=1, linestyle=":")
    left.axvline(0.8, color="#000000", linewidth=1, linestyle="--")
    left.set(xlim=(0, 1.1), xlabel="share that passed; dotted 0.05, dashed 0.8")
    left.set_title("Simulated challengers", fontsize=10)
    rows = [row for found in networks for row in found["rows"] if row["difference"]]
    for place, row in enumerate(rows):
        for number, (stratum, value) in enumerate(row["difference"].items()):
            label = stratum.replace("_", " ") if place == 0 else None
            right.plot([value], [place], "o", color=COLOURS[number], label=label)
    names = [f"{row['challenger']}, seed {row['seed']}: {row['outcome']}" for row in rows]
    right.set_yticks(range(len(rows)), names, fontsize=8)
    right.invert_yaxis()
    right.axvline(0.0, color="0.6", linewidth=1)
    right.set_xlabel("mean Dice, challenger − champion")
    right.set_title("Networks that were trained", fontsize=10)
    right.legend(fontsize=8)
    return figure
