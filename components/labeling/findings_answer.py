"""Findings as a person writes them: one row of a table per case."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from components.errors import InputError

KEY_COLUMNS = ("case_id", "request_id")
_OTHER_COLUMNS = ("minutes",)


def check_columns(columns: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a table without a key column, with a column that is no finding, or with one column twice."""
    if not set(KEY_COLUMNS) & set(columns):
        raise InputError(
            expected="a column case_id or request_id",
            got=", ".join(columns) or "no columns",
            hint="starting from the findings.csv of the exported request",
        )
    known = (*KEY_COLUMNS, *_OTHER_COLUMNS, *names)
    for column in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1, cutoff=0.0)[0]
            raise InputError(expected="columns named after findings", got=repr(column), hint=repr(near))
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise InputError(expected="every column once", got=f"{twice!r} twice", hint="deleting one of them")


def check_findings(row: Mapping[str, str], names: Sequence[str]) -> dict[str, int | None]:
    """Finding → 1 (present), 0 (absent) or ``None`` (unknown: empty or no such column), for every name.

    Raises ``InputError`` for any other value, and when nothing at all is answered.
    """
    findings: dict[str, int | None] = {}
    for name in names:
        text = (row.get(name) or "").strip()
        if text not in ("", "0", "1"):
            raise InputError(
                expected=f"0, 1 or nothing for {name}", got=repr(text), hint="correcting this cell"
            )
        findings[name] = int(text) if text else None
    if all(value is None for value in findings.values()):
        raise InputError(
            expected="at least one finding answered", got="only empty cells", hint="writing 0 for absent ones"
        )
    return findings


def check_minutes(text: str | None) -> float | None:
    """Working time from a cell or form field; ``None`` when empty."""
    if text is None or not text.strip():
        return None
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes <= 24 * 60:
        raise InputError(expected="minutes from 0 to 1440", got=repr(text), hint="a number such as 7.5")
    return minutes
