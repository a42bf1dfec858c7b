"""The picture of ``ctloop bench self-training``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from components.cohort.structures import HEART_STRUCTURES
from pipelines.bench.self_training_cases import even_phases
from pipelines.bench.self_training_claims import Arms
from pipelines.bench.semi_synthetic_heart import Illustration
from pipelines.figures.canvas import COLOURS, new_figure, readable
from pipelines.figures.overlays import draw_slice
from pipelines.figures.windows import WINDOWS_HU

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_self_training(results: Sequence[Arms], illustration: Illustration) -> Figure:
    """Above: mean Dice of each student, a dot per test patient. Below: per structure, and the real heart."""
    figure = new_figure(12.0, 9.6)
    grid = figure.add_gridspec(3, 4, left=0.2, right=0.98, top=0.95, bottom=0.07, hspace=0.5, wspace=0.25)
    _students(figure.add_subplot(grid[0, :]), results)
    _structures(figure.add_subplot(grid[1, :]), results)
    _heart(figure, grid, illustration)
    return figure


def _students(axes: Axes, results: Sequence[Arms]) -> None:
    for place, name in enumerate(results[0]):
        values = np.concatenate([arm[name].dice.mean(axis=1) for arm in results])
        spread = place + np.linspace(-0.25, 0.25, len(values))
        axes.plot(values, spread, ".", color=COLOURS[5], markersize=4)
        axes.plot([values.mean()], [place], "D", color=COLOURS[1])
        axes.annotate(
            f"{values.mean():.3f}",
            (1.0, place),
            xycoords=("axes fraction", "data"),
            fontsize=8,
            va="center",
            ha="right",
        )
    axes.set_yticks(range(len(results[0])), list(results[0]), fontsize=8)
    axes.invert_yaxis()
    axes.set_title(
        "Mean Dice on porcine test patients: a dot per patient, the mean as a diamond",
        fontsize=10,
        loc="left",
    )
    axes.grid(axis="x", alpha=0.3)


def _structures(axes: Axes, results: Sequence[Arms]) -> None:
    shown = ("teacher", "M_1", "M_2", "M_2 + 4 experts", "experts alone", "all experts")
    width = 0.8 / len(shown)
    for place, name in enumerate(shown):
        values = np.mean([arm[name].dice.mean(axis=0) for arm in results], axis=0)
        at = np.arange(len(values)) + (place - len(shown) / 2 + 0.5) * width
        axes.bar(at, values, width * 0.92, color=COLOURS[place], label=name)
    axes.set_xticks(range(len(HEART_STRUCTURES)), [readable(name) for name in HEART_STRUCTURES], fontsize=8)
    lowest = min(float(arm["teacher"].dice.mean(axis=0).min()) for arm in results)
    axes.set_ylim(max(0.0, lowest - 0.08), 1.0)
    axes.set_ylabel("Dice")
    axes.legend(fontsize=7, ncols=len(shown), loc="upper center", bbox_to_anchor=(0.5, 1.16), frameon=False)
    axes.grid(axis="y", alpha=0.3)


def _heart(figure: Figure, grid: object, illustration: Illustration) -> None:
    curve = figure.add_subplot(grid[2, :2])  # type: ignore[index]
    if not illustration.shown:
        curve.text(
            0.5, 0.5, str(illustration.table["why"]), ha="center", fontsize=8, transform=curve.transAxes
        )
        curve.set_axis_off()
        return
    for place, (who, values) in enumerate(illustration.volumes_ml.items()):
        style = "--" if who == "truth" else "-"
        curve.plot(even_phases(len(values)), values, style, color=COLOURS[place], label=who)
    curve.set_xlabel("% of the R-R interval")
    curve.set_ylabel("heart, ml")
    curve.set_title("Semi-synthetic cine of a real heart (no claim)", fontsize=10, loc="left")
    curve.legend(fontsize=8)
    for place, (volume, truth, student) in enumerate(illustration.shown):
        axes = figure.add_subplot(grid[2, 2 + place])  # type: ignore[index]
        centre = int(np.argwhere(truth.labels > 0)[:, 0].mean())
        draw_slice(axes, volume, student, 0, centre, WINDOWS_HU["segmentation"])
        axes.set_title(f"M_2 at end-{('diastole', 'systole')[place]}", fontsize=9, loc="left")
