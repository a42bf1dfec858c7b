"""Quality against expert labels: each version with its interval, and the fitted law with its forecast."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.cohort.task import Task
from components.metrics.power_law import Forecast, PowerLaw
from components.operations.learning_curve import LearningCurve
from pipelines.figures.canvas import COLOURS, new_figure

_UNIT: dict[Task, str] = {"segmentation": "mean Dice", "classification": "macro AUROC"}


def draw_learning_curve(curve: LearningCurve, task: Task) -> Figure | None:
    """A dot and a line per version; ``None`` when no version tells both its labels and its quality."""
    if not curve.measured:
        return None
    figure = new_figure(11.5, 3.8)
    axes = figure.add_axes((0.075, 0.16, 0.735, 0.78))
    for number, labels, record in curve.measured:
        if record.low is not None and record.high is not None:
            axes.plot([labels, labels], [record.low, record.high], color=COLOURS[0], linewidth=1.6)
        place = (labels, record.value or 0.0)
        axes.plot(*place, "o", color=COLOURS[0])
        axes.annotate(str(number), place, (7, -3), textcoords="offset points", fontsize=9)
    if curve.law is not None and curve.forecast is not None:
        _draw_law(axes, curve.law, curve.forecast, least=min(n for _, n, _ in curve.measured if n))
    axes.set(xlabel="expert labels that it learned from", ylabel=_UNIT[task])
    axes.margins(x=0.06, y=0.12)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_law(axes: Axes, law: PowerLaw, forecast: Forecast, *, least: int) -> None:
    """Solid where it was measured, dashed beyond."""
    grid = np.linspace(least, forecast.labels, 120)
    drawn = law.quality(grid)
    low, high = np.array([law.interval(column) for column in drawn.T]).T
    axes.fill_between(grid, low, high, color=COLOURS[2], alpha=0.18, linewidth=0, label="95 % of the law")
    measured = grid <= law.most_labels
    axes.plot(grid[measured], drawn[0][measured], color=COLOURS[2], linewidth=1.4, label="power law")
    axes.plot(grid[~measured], drawn[0][~measured], "--", color=COLOURS[2], linewidth=1.4)
    error = [[forecast.quality - forecast.low], [forecast.high - forecast.quality]]
    axes.errorbar(
        [forecast.labels], [forecast.quality], error, fmt="D", color=COLOURS[1], capsize=4, label="forecast"
    )
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
