from __future__ import annotations

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from pipelines.figures.canvas import on_both_papers
from pipelines.figures.positives_read import ORDERS, draw_positives_read


def figure(low: float | None) -> Figure:
    measured = {"read_50": {"low": low, "high": low and 90.0}, "wait_positive": {"low": 1.0, "high": 2.0}}
    return draw_positives_read(
        {
            "positive": 2,
            "positives_read": {
                "positives": [1, 2],
                "fifo": [60.0, 120.0],
                "urgency": [30.0, 60.0],
                "oracle": [10.0, 20.0],
            },
            "backlog": {"orders": {"fifo": measured, "urgency": measured}},
        }
    )


def test_each_order_starts_at_nothing_and_is_in_hours() -> None:
    (axes,) = figure(30.0).axes
    drawn = {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in axes.get_lines()}
    assert drawn[ORDERS["fifo"][0]] == [[0, 0], [1, 1], [2, 2]]
    assert drawn[ORDERS["urgency"][0]] == [[0, 0], [0.5, 1], [1, 2]]
    assert len(drawn) == len(ORDERS)


def test_bands_are_drawn_where_there_are_intervals() -> None:
    bands = [
        sum(isinstance(c, PolyCollection) for c in figure(low).axes[0].collections) for low in (30.0, None)
    ]
    assert bands == [2, 0]


def test_it_is_for_both_papers() -> None:
    light, dark = on_both_papers(figure(30.0))
    assert light != dark
