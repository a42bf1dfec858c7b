from __future__ import annotations

from typing import Any

from pipelines.figures.canvas import on_both_papers
from pipelines.figures.drops import draw_drops


def row(label: str, own: float, here: float | None, spread: float | None = 0.1) -> dict[str, Any]:
    def item(value: float | None) -> dict[str, Any]:
        known = value is not None and spread is not None
        return {
            "value": value,
            "low": value - spread if known else None,
            "high": value + spread if known else None,
        }

    drop = None if here is None else own - here
    return {
        "metric": "auroc",
        "label": label,
        "held_out": item(own),
        "external": item(here),
        "drop": item(drop),
    }


def test_the_mean_comes_first_then_the_largest_drop() -> None:
    rows = [
        row("small", 0.8, 0.75),
        row("large", 0.9, 0.5),
        row("macro", 0.85, 0.6),
        row("unknown", 0.7, None),
    ]
    both, drop = draw_drops(rows, first="macro").axes
    assert [text.get_text() for text in both.get_yticklabels()] == ["macro", "large", "small", "unknown"]
    assert both.get_ylim()[0] > both.get_ylim()[1]
    points = [line.get_xdata()[0] for line in drop.lines if len(line.get_xdata()) == 1]
    assert [round(x, 6) for x in points] == [0.25, 0.4, 0.05]
    ends = [line.get_xdata() for line in both.lines if len(line.get_xdata()) == 2]
    assert len(ends) == 3 * 2 + 1


def test_a_value_without_an_interval_is_a_point() -> None:
    figure = draw_drops([row("macro", 0.8, 0.7, None)], first="macro")
    assert all(len(line.get_xdata()) == 1 for line in figure.axes[0].lines)
    assert len(on_both_papers(figure)) == 2
