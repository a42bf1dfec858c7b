"""The picture of ``ctloop bench uncertainty``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from components.metrics.selective_risk import risk_coverage
from pipelines.bench.uncertainty_cases import SHIFTS
from pipelines.bench.uncertainty_claims import DROPOUT, ENSEMBLE, OURS, SINGLE, SeedResult
from pipelines.figures.canvas import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_uncertainty(results: Sequence[SeedResult]) -> Figure:
    """Left: risk against coverage of the compared scores; right: foretold and true Dice with intervals."""
    figure = new_figure(12.0, 5.4)
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.12, top=0.92, wspace=0.22)
    _curves(figure.add_subplot(1, 2, 1), results)
    _foretold(figure.add_subplot(1, 2, 2), results)
    return figure


def _curves(axes: Axes, results: Sequence[SeedResult]) -> None:
    grid = np.linspace(0.02, 1.0, 99)
    for place, name in enumerate((OURS, ENSEMBLE, DROPOUT, SINGLE)):
        methods = [result.methods[name] for result in results]
        curves = [np.interp(grid, *risk_coverage(method.risk, method.confidence)) for method in methods]
        area = np.mean([method.aurc for method in methods])
        axes.plot(grid, np.mean(curves, axis=0), color=COLOURS[place], label=f"{name} ({100 * area:.2f})")
    best = [result.methods[OURS].risk for result in results]
    ideal = np.mean([np.interp(grid, *risk_coverage(risk, -risk)) for risk in best], axis=0)
    axes.plot(grid, ideal, ":", color="black", label="ours, if it knew its risk")
    axes.set_xlabel("coverage: share of patients that are not sent to a person")
    axes.set_ylabel("selective risk: 1 - mean Dice of those kept")
    axes.set_title("Risk–coverage (AURC × 100)", fontsize=10, loc="left")
    axes.set_ylim(bottom=0.0)
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(alpha=0.3)


def _foretold(axes: Axes, results: Sequence[SeedResult]) -> None:
    for place, shift in enumerate(SHIFTS):
        for result in results:
            chosen = np.flatnonzero(np.array(result.shifts) == shift)
            estimates = [result.estimates[i] for i in chosen.tolist()]
            value = np.array([estimate.value for estimate in estimates])
            low = value - [estimate.low for estimate in estimates]
            high = np.array([estimate.high for estimate in estimates]) - value
            axes.errorbar(
                value, result.dice[chosen], xerr=[low, high], fmt="o", markersize=3.5, elinewidth=0.6,
                color=COLOURS[place], label=shift if result is results[0] else None, alpha=0.8,
            )  # fmt: skip
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("foretold mean Dice, with its 90 % interval")
    axes.set_ylabel("true mean Dice")
    axes.set_title("A dot per test patient", fontsize=10, loc="left")
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(alpha=0.3)
