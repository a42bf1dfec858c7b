"""The same judgement by site, manufacturer, kernel and cardiac phase, as far as these are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.operations.evaluation import IntervalParams, mean_interval

GROUPED_BY = ("site", "manufacturer", "kernel")
PHASE = "phase"
_QUARTERS = ("0 to 25 %", "25 to 50 %", "50 to 75 %", "75 to 100 %")


def subgroups(
    judged: pd.DataFrame, frames: pd.DataFrame, measures: Mapping[str, str], params: IntervalParams
) -> list[dict[str, Any]]:
    """A row per group with ``column``, ``value``, ``patients`` and an interval per measure.

    A column that has one known value, or none, divides nothing and has no rows. Few patients in a group give wide
    intervals, and of many groups one is bad by chance: this shows where to look, it proves no difference.

    Args:
        judged: one row per frame that an expert judged, with ``frame_id``, ``patient_id`` and the measures' columns.
        frames: rows of frames.parquet.
        measures: name → column of ``judged``.
    """
    table = judged.drop(columns=[c for c in GROUPED_BY if c in judged]).merge(
        frames[["frame_id", *(column for column in GROUPED_BY if column in frames)]],
        on="frame_id",
        how="left",
    )
    return [
        {
            "column": column,
            "value": value,
            "patients": int(rows["patient_id"].nunique()),
            **{name: _interval(rows, of, params) for name, of in measures.items()},
        }
        for column, value, rows in _groups(table)
    ]


def _interval(rows: pd.DataFrame, column: str, params: IntervalParams) -> dict[str, Any]:
    """Each patient counts once, whatever the number of their frames."""
    means = rows.groupby("patient_id", as_index=False, sort=True)[[column]].mean()
    return mean_interval(means, column, params)


def _groups(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    keys: dict[str, pd.Series[Any]] = {c: table[c].astype(str) for c in GROUPED_BY if c in table}
    keys[PHASE] = _quarter(table["phase_percent"].to_numpy(np.float64).tolist(), table.index)
    for column, key in keys.items():
        values = sorted(set(key) - {"", "nan", "None"})
        if len(values) > 1:
            yield from ((column, value, table[key == value]) for value in values)


def _quarter(phases_percent: Sequence[float], index: pd.Index[Any]) -> pd.Series[Any]:
    names = [_QUARTERS[int(phase % 100.0 // 25)] if np.isfinite(phase) else "" for phase in phases_percent]
    return pd.Series(names, index=index, dtype=object)
