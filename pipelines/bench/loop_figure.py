"""The picture of ``ctloop bench loop``: scores over the months, what happened, and the labels that were spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from pipelines.bench.loop_claims import SeedYear
from pipelines.bench.loop_year import BAD_MONTH, RECALL_MONTH, SHIFTS, WRONG_MONTH
from pipelines.figures.canvas import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ARMS = {
    "ours": "ctloop", "everything": "everything labelled", "random": "random labels, same budget",
    "never": "never retrained",
}  # fmt: skip
_STYLES = {"ours": "-o", "everything": "--", "random": "-.", "never": ":"}
_COLOURS = dict(zip(_ARMS, (COLOURS[0], COLOURS[7], COLOURS[4], COLOURS[1]), strict=True))
_EVENTS = {WRONG_MONTH: "wrong labels", BAD_MONTH: "bad challenger", RECALL_MONTH: "teacher recalled"}


def draw_loop(years: Sequence[SeedYear]) -> Figure:
    """Means over seeds; filled triangles: a model was promoted, in the first seed."""
    figure = new_figure(11.0, 7.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.subplots_adjust(left=0.075, right=0.985, top=0.9, bottom=0.085, hspace=0.08)
    months = [cycle.month for cycle in years[0].ours]
    scores, labels = ({arm: _mean(years, arm, what) for arm in _ARMS} for what in ("scores", "labels"))
    for arm, name in _ARMS.items():
        width = 2.6 if arm == "ours" else 1.7
        text = f"{name}: {np.mean(scores[arm]):.3f}"
        above.plot(months, scores[arm], _STYLES[arm], color=_COLOURS[arm], linewidth=width, label=text)
    _mark(above, years[0])
    low, high = above.get_ylim()
    above.set_ylim(low, high + 0.22 * (high - low))  # room for the names of what happened
    above.set_ylabel("Dice of the month's patients\nby the model in use")
    above.legend(loc="lower left", fontsize=10, frameon=False, title="mean over the year", alignment="left")
    above.set_title("A simulated year: the model in use, month by month", fontsize=13, pad=30)
    _spent(below, months, labels)
    for axes in (above, below):
        axes.grid(axis="y", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _mean(years: Sequence[SeedYear], arm: str, what: str) -> np.ndarray:
    if arm == "ours":
        rows = [[c.score if what == "scores" else c.labels for c in year.ours] for year in years]
    else:
        rows = [getattr(getattr(year, arm), what) for year in years]
    return np.asarray(np.mean(rows, axis=0))


def _mark(axes: Axes, year: SeedYear) -> None:
    """Shifts as shades from their month on, single events above, promotions on our curve."""
    top = axes.get_xaxis_transform()
    for name, month in SHIFTS.items():
        axes.axvspan(month - 0.5, len(year.ours) + 0.5, color=COLOURS[5], alpha=0.09, linewidth=0)
        axes.text(month - 0.42, 1.02, f"new {name}", transform=top, fontsize=10, color=COLOURS[0])
    for month, name in _EVENTS.items():
        axes.axvline(month, color=COLOURS[3], linewidth=1, linestyle=(0, (2, 3)))
        axes.text(
            month + 0.06, 0.985 - 0.05 * (month - WRONG_MONTH), name, transform=top, fontsize=9,
            color=COLOURS[3], va="top",
        )  # fmt: skip
    promoted = [c for c in year.ours if any(gate["promoted"] for gate in c.gates)]
    axes.plot(
        [c.month for c in promoted], [c.score for c in promoted], "^", color=COLOURS[2], markersize=10,
        zorder=5, label="ctloop promoted a model",
    )  # fmt: skip
    alarmed = [c.month for c in year.ours if c.alarmed]
    axes.plot(
        alarmed, [0.015] * len(alarmed), "s", color=COLOURS[1], markersize=6, transform=top, clip_on=False,
        label="drift alarm",
    )  # fmt: skip


def _spent(axes: Axes, months: Sequence[int], labels: dict[str, np.ndarray]) -> None:
    axes.bar(months, labels["everything"], width=0.8, color="0.88", label="everything")
    axes.bar(months, labels["ours"], width=0.8, color=_COLOURS["ours"], label="ctloop")
    axes.step(
        months, labels["random"], where="mid", color=_COLOURS["random"], linewidth=1.8, label="random labels"
    )
    share = labels["ours"].sum() / max(labels["everything"].sum(), 1)
    axes.set(xlabel="month", ylabel="labels", xticks=list(months))
    axes.set(xlim=(min(months) - 0.5, max(months) + 0.5), ylim=(0, 1.55 * max(labels["everything"])))
    axes.legend(
        loc="upper left", fontsize=9, ncols=3, framealpha=0.9, edgecolor="none",
        title=f"ctloop asked for {share:.0%} of all labels", alignment="left",
    )  # fmt: skip
