from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.figures.finding_calls import draw_finding_calls


def interval(low: float | None, value: float | None, high: float | None) -> dict[str, Any]:
    return {"low": low, "value": value, "high": high}


def test_values_intervals_and_bounds_are_drawn_in_percent() -> None:
    known, unknown = interval(0.6, 0.8, 0.9), interval(None, None, None)
    calls = {"a_b": {"sensitivity": known, "specificity": unknown, "workload": known}}
    first, second, third = draw_finding_calls(calls, {("a_b", "sensitivity"): 0.7}).axes
    drawn = [np.asarray(line.get_xydata()).tolist() for line in first.get_lines()]
    assert drawn == [[[60.0, 0.0], [90.0, 0.0]], [[80.0, 0.0]], [[70.0, -0.38], [70.0, 0.38]]]
    assert (len(second.get_lines()), len(third.get_lines())) == (0, 2)
    assert [label.get_text() for label in first.get_yticklabels()] == ["a b"]
