from __future__ import annotations

from dataclasses import replace

import pytest

from components.operations.learning_curve import LearningCurve, learning_curve
from components.registry.learning_record import LearningRecord
from pipelines.figures.learning_curve import draw_learning_curve

RECORD = LearningRecord(expert_labels=10, value=0.7, low=0.65, high=0.75, patients=20, level=0.95)


def curve_of(*told: tuple[int, float | None]) -> LearningCurve:
    """Versions 1, 2, … of (expert labels, quality)."""
    records = [replace(RECORD, expert_labels=labels, value=value) for labels, value in told]
    return learning_curve(list(enumerate(records, 1)), more=50, seed=0, draws=50)


def test_versions_are_dots_and_the_law_runs_on_to_the_forecast() -> None:
    curve = curve_of((10, 0.7), (40, 0.8), (160, 0.85))
    figure = draw_learning_curve(curve, "segmentation")
    assert figure is not None
    (axes,) = figure.axes
    dots = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert dots == [[[10, 0.7]], [[40, 0.8]], [[160, 0.85]]]
    assert max(line.get_xdata().max() for line in axes.lines) == pytest.approx(210)  # type: ignore[union-attr]
    assert axes.get_ylabel() == "mean Dice"


def test_two_versions_are_drawn_without_a_law() -> None:
    figure = draw_learning_curve(curve_of((0, 0.6), (40, 0.8)), "classification")
    assert figure is not None
    assert "power law" not in {str(line.get_label()) for line in figure.axes[0].lines}


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_learning_curve(curve_of(), "segmentation") is None
    assert draw_learning_curve(curve_of((10, None)), "segmentation") is None
