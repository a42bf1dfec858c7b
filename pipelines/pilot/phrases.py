"""Numbers as the cells and words of a pilot report."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from pipelines.pilot.criteria_history import moment
from pipelines.pilot.document import Cell, Tone
from pipelines.render import number

Interval = Mapping[str, Any]
TONES: Mapping[str, Tone] = {
    "met": "good", "not met": "bad", "not enough evidence": "wait",
    "no drift": "good", "drift": "bad",
    "less": "good", "more": "bad", "no difference shown": "wait",
}  # fmt: skip


def words(name: str) -> str:
    """``pleural_effusion`` → ``pleural effusion``."""
    return name.replace("_", " ")


def tag(outcome: str) -> Cell:
    """An outcome in its tone."""
    return Cell(text=outcome, tone=TONES.get(outcome, "wait"))


def share(value: float | None) -> str:
    """A share in percent, whole."""
    return "–" if value is None else f"{100 * value:.0f} %"


def share_cell(item: Interval | None) -> Cell:
    """A share and its interval, in percent."""
    if item is None or item["value"] is None:
        return Cell(text="–")
    return Cell(text=share(item["value"]), soft=_ends(item, 100.0, 0))


def value_cell(item: Interval | None, *, digits: int, factor: float = 1.0) -> Cell:
    """A value and its interval."""
    if item is None or item["value"] is None:
        return Cell(text="–")
    return Cell(text=_signed(item["value"] * factor, digits), soft=_ends(item, factor, digits))


def value_words(item: Interval | None, *, digits: int = 0, factor: float = 1.0) -> str:
    """The same in a sentence: ``12 (10 to 15)``."""
    cell = value_cell(item, digits=digits, factor=factor)
    return f"{cell.text} ({cell.soft})" if cell.soft else cell.text


def range_cells(item: Mapping[str, float] | None, factor: float = 1.0) -> tuple[str, str, str]:
    """Low, central and high of an assumption or of what follows from it."""
    ends = ("low", "central", "high")
    if item is None:
        return ("–", "–", "–")
    low, central, high = (number(item[end] * factor) for end in ends)
    return (low, central, high)


def date(text: str) -> str:
    """In UTC, ``2026-03-01T10:11:12+01:00`` → ``2026-03-01 09:11``; a dash for what is unknown."""
    return f"{moment(text).astimezone(datetime.UTC):%Y-%m-%d %H:%M}" if text else "–"


def _ends(item: Interval, factor: float, digits: int) -> str:
    if item["low"] is None or item["high"] is None:
        return ""
    return f"{_signed(item['low'] * factor, digits)} to {_signed(item['high'] * factor, digits)}"


def _signed(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text.replace("-", "−")
