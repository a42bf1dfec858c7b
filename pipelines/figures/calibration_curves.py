"""Reliability diagrams: what a model says against how often it is so, before and after its temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.operations.evaluation import IntervalParams
from components.operations.finding_scores import FindingScores
from components.operations.reliability_curve import ReliabilityCurve, curve_of, pooled_curve
from pipelines.figures.canvas import COLOURS
from pipelines.figures.finding_panels import finding_panels

ALL = "all findings together"


def draw_calibration_curves(
    scores: FindingScores, temperature: Mapping[str, float], params: IntervalParams
) -> Figure:
    """A panel for all findings together and one for each; bins without a case have no point.

    Args:
        scores: of findings that can be judged, as calibrated.
        temperature: finding → T, for the grey curves of before; 1 unless given.
    """
    figure, panels = finding_panels((ALL, *scores.findings), across="said probability", up="share with it")
    before = scores.before(temperature)
    _draw(panels[0], pooled_curve(before, params), pooled_curve(scores, params))
    for name, axes in zip(scores.findings, panels[1:], strict=True):
        _draw(axes, curve_of(before, name, level=params.level), curve_of(scores, name, level=params.level))
    return figure


def _draw(axes: Axes, before: ReliabilityCurve, after: ReliabilityCurve) -> None:
    _line(axes, before, color="0.55", marker="o", markersize=3, markerfacecolor="none", linewidth=0.8)
    axes.vlines(after.said, after.low, after.high, color=COLOURS[0], linewidth=1.2, alpha=0.55)
    _line(axes, after, color=COLOURS[0], marker="o", markersize=3.5, linewidth=1.2)


def _line(axes: Axes, curve: ReliabilityCurve, **look: Any) -> None:
    seen = curve.patients > 0
    axes.plot(curve.said[seen], curve.share[seen], **look)
