"""The picture of ``ctloop bench drift``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from pipelines.bench.drift_claims import POWER, SeedResult
from pipelines.bench.drift_patients import GRADES, SHIFTS
from pipelines.bench.drift_references import REFERENCES
from pipelines.figures.canvas import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMES = {"ours": "ctloop", **REFERENCES}


def draw_drift(results: Sequence[SeedResult]) -> Figure:
    """Above: share of alarms against grade, a panel per shift; below: false alarms, and estimated and true Dice."""
    figure = new_figure(14.0, 10.5)
    grid = figure.add_gridspec(3, 10, left=0.06, right=0.98, bottom=0.07, top=0.93, hspace=0.42, wspace=0.9)
    curves = [result.curves() for result in results]
    for place, shift in enumerate(SHIFTS):
        row, column = divmod(place, 5)
        axes = figure.add_subplot(grid[row, 2 * column : 2 * column + 2])
        for number, name in enumerate(_NAMES):
            rate = np.mean([curve[name][place] for curve in curves], axis=0)
            axes.plot(
                range(1, GRADES + 1), rate, "o-", color=COLOURS[number], label=_NAMES[name],
                linewidth=2.2 if name == "ours" else 1.1, markersize=4 if name == "ours" else 3,
            )  # fmt: skip
        axes.axhline(POWER, color="black", linewidth=0.6, linestyle=":")
        axes.set_title(shift, fontsize=10, loc="left")
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks(range(1, GRADES + 1))
        axes.grid(alpha=0.3)
        if column == 0:
            axes.set_ylabel("windows with an alarm")
        if row == 1:
            axes.set_xlabel("grade of the shift")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(labels), fontsize=9, frameon=False)
    _false_alarms(figure.add_subplot(grid[2, :5]), results)
    _quality(figure.add_subplot(grid[2, 5:]), results)
    return figure


def _false_alarms(axes: Axes, results: Sequence[SeedResult]) -> None:
    bars = {
        "ctloop": "alarmed", "Evidently's preset, its defaults": "evidently_alarm",
        "any column drifted, Evidently's defaults": "evidently_any_column",
    }  # fmt: skip
    sizes = sorted(results[0].null["n"].unique())
    for number, (name, column) in enumerate(bars.items()):
        rates = [
            float(np.mean([one.null.loc[one.null["n"] == n, column].mean() for one in results]))
            for n in sizes
        ]
        place = np.arange(len(sizes)) + (number - 1) * 0.27
        axes.bar(place, rates, 0.25, color=COLOURS[(0, 1, 4)[number]], label=name)
        for x, rate in zip(place, rates, strict=True):
            axes.text(x, rate + 0.01, f"{rate:.3f}", ha="center", fontsize=8)
    axes.axhline(0.05, color="black", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(sizes)), [f"n = {n}" for n in sizes])
    axes.set_ylim(0, 1.15)
    axes.set_title("Alarms in windows without a shift (promised: 0.05)", fontsize=10, loc="left")
    axes.legend(fontsize=8, loc="upper left", ncols=3)


def _quality(axes: Axes, results: Sequence[SeedResult]) -> None:
    shades = [*COLOURS, "#8c564b", "#7f7f7f"]
    for place, shift in enumerate(SHIFTS):
        rows = [one.quality.windows[one.quality.windows["shift"] == shift] for one in results]
        for table in rows:
            reach = [table["estimated"] - table["low"], table["high"] - table["estimated"]]
            axes.errorbar(
                table["estimated"], table["measured"], xerr=reach, fmt="o", markersize=3, elinewidth=0.4,
                color=shades[place], alpha=0.7, label=shift if table is rows[0] else None,
            )  # fmt: skip
    ends = axes.get_ylim()
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.set_ylim(ends)
    axes.set_xlabel("estimated mean Dice of a window, with its 90 % interval")
    axes.set_ylabel("true mean Dice")
    axes.set_title("Quality without labels: a dot per shifted window", fontsize=10, loc="left")
    axes.legend(fontsize=7, loc="upper left", ncols=2)
    axes.grid(alpha=0.3)
