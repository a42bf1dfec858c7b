"""The same judgement by site, batch, scanner, kernel, sex, age and cardiac phase, as far as these are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.operations.evaluation import IntervalParams, mean_interval

Measure = Callable[[pd.DataFrame], Mapping[str, Any]]
"""Rows of a subgroup → name → JSON-able interval."""

GROUPED_BY = ("site", "batch", "manufacturer", "model", "kernel", "sex")
AGE, PHASE = "age", "phase"
_AGE_COLUMN, _PHASE_COLUMN = "age_years", "phase_percent"
_AGES = (("under 18", 18.0), ("18 to 39", 40.0), ("40 to 64", 65.0), ("65 and over", np.inf))
_QUARTERS = (
    ("0 to 25 %", 25.0),
    ("25 to 50 %", 50.0),
    ("50 to 75 %", 75.0),
    ("75 to 100 %", 100.0),
)


def subgroups(
    judged: pd.DataFrame, frames: pd.DataFrame, measure: Measure, *, min_patients: int = 2
) -> list[dict[str, Any]]:
    """A row per group with ``column``, ``value``, ``patients``, whether it is ``judged``, and then its measures.

    A column that has one known value, or none, divides nothing and has no rows. Few patients in a group give wide
    intervals, and of many groups one is bad by chance: this shows where to look, it proves no difference.

    Args:
        judged: one row per frame that an expert judged, with ``frame_id``, ``patient_id`` and what ``measure`` reads.
        frames: rows of frames.parquet.
        min_patients: a smaller group is named and not judged.
    """
    known = [column for column in (*GROUPED_BY, _AGE_COLUMN, _PHASE_COLUMN) if column in frames]
    table = judged.drop(columns=[column for column in known if column in judged]).merge(
        frames[["frame_id", *known]], on="frame_id", how="left"
    )
    return [_row(column, value, rows, measure, min_patients) for column, value, rows in groups_of(table)]


def patient_means(measures: Mapping[str, str], params: IntervalParams) -> Measure:
    """Mean and interval of columns, name → column; each patient counts once, whatever the number of their frames."""

    def measure(rows: pd.DataFrame) -> dict[str, Any]:
        means = rows.groupby("patient_id", as_index=False, sort=True)[sorted(set(measures.values()))].mean()
        return {name: mean_interval(means, column, params) for name, column in measures.items()}

    return measure


def _row(column: str, value: str, rows: pd.DataFrame, measure: Measure, min_patients: int) -> dict[str, Any]:
    patients = int(rows["patient_id"].nunique())
    facts = {"column": column, "value": value, "patients": patients, "judged": patients >= min_patients}
    return {**facts, **(measure(rows) if facts["judged"] else {})}


def groups_of(table: pd.DataFrame, *, least_values: int = 2) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Column, value and rows of each group, for the columns that have as many known values.

    Args:
        table: with the columns of frames.parquet, as far as they are known.
    """
    keys: dict[str, pd.Series[Any]] = {c: table[c].astype(str) for c in GROUPED_BY if c in table}
    if _AGE_COLUMN in table:
        keys[AGE] = _ranges(table[_AGE_COLUMN], _AGES)
    if _PHASE_COLUMN in table:
        keys[PHASE] = _ranges(table[_PHASE_COLUMN] % 100.0, _QUARTERS)
    for column, key in keys.items():
        values = sorted(set(key) - {"", "nan", "None"})
        if len(values) >= least_values:
            yield from ((column, value, table[key == value]) for value in values)


def _ranges(values: pd.Series[Any], ranges: Sequence[tuple[str, float]]) -> pd.Series[Any]:
    """The first range whose end lies above the value; ``""`` where that is unknown."""
    ends = np.array([end for _, end in ranges])
    numbers = values.to_numpy(np.float64)
    places = np.minimum(np.searchsorted(ends, numbers, side="right"), len(ranges) - 1)
    names = [
        ranges[place][0] if np.isfinite(number) else "" for place, number in zip(places, numbers, strict=True)
    ]
    return pd.Series(names, index=values.index, dtype=object)
