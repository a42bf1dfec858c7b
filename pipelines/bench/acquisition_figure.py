"""The picture of ``ctloop bench acquisition``: scores over the budget, on both pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from pipelines.bench.acquisition_claims import DRAWS, OURS, RANDOM, Seed
from pipelines.figures.canvas import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = (0.16, 0.84)
_WORDS = {"modes": "mean over modes", "prevalence": "weighted as they occur"}


def draw_acquisition(seeds: Sequence[Seed]) -> Figure:
    """A column per pool and metric; above over labels, below over expert minutes. Bands: 68 % over test patients."""
    shown = [(pool, metric) for pool in seeds[0] for metric in _WORDS]
    figure = new_figure(4.2 * len(shown), 7.6)
    figure.subplots_adjust(left=0.05, right=0.99, top=0.93, bottom=0.15, wspace=0.22, hspace=0.25)
    axes = figure.subplots(2, len(shown))
    for column, (pool, metric) in enumerate(shown):
        for row, by in enumerate(("labels", "minutes")):
            _curves(axes[row, column], seeds, pool, metric, by)
        axes[0, column].set_title(f"{pool} pool, {_WORDS[metric]}", fontsize=10)
    axes[0, 0].set_ylabel("score")
    axes[1, 0].set_ylabel("score")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=len(names), fontsize=9, frameon=False)
    figure.text(
        0.5, 0.055, "bands: 68 % of bootstrap draws of the test patients (ours, random); random: mean of its draws",
        ha="center", fontsize=8,
    )  # fmt: skip
    return figure


def _curves(axes: Axes, seeds: Sequence[Seed], pool: str, metric: str, by: str) -> None:
    arenas = [seed[pool] for seed in seeds]
    end = min(getattr(one, by)[-1] for arena in arenas for draws in arena.campaigns.values() for one in draws)
    at = np.linspace(0.0, float(end), 60)
    for place, arm in enumerate(arenas[0].campaigns):
        curves = np.mean(
            [
                _over(
                    arena.metrics[metric](one.judged, arena.weights(DRAWS // 10, number)),
                    getattr(one, by),
                    at,
                )
                for number, arena in enumerate(arenas)
                for one in arena.campaigns[arm]
            ],
            axis=0,
        )
        strong = arm in (OURS, RANDOM)
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(
            at, curves[0], "-" if strong else "--", color=colour, label=arm, linewidth=2.0 if strong else 1.1
        )
        if strong:
            low, high = np.quantile(curves[1:], _BAND, axis=0)
            axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("labels" if by == "labels" else "expert minutes")
    axes.grid(alpha=0.3)


def _over(scores_bs: np.ndarray, budget_s: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.array([np.interp(at, budget_s, row) for row in scores_bs])
