"""Whose scans trained a model and judge it: sites, scanners and kinds of patients, as numbers of patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pandas as pd

from components.cohort.split import Side, Split

UNKNOWN = "unknown"
COUNTED = ("site", "scanner", "kernel", "batch", "sex", "age")
_AGES = ((18.0, "under 18"), (40.0, "18 to 39"), (65.0, "40 to 64"), (np.inf, "65 and over"))


def data_provenance(frames: pd.DataFrame, split: Split, hashes: Mapping[str, str]) -> dict[str, Any]:
    """JSON-able: ``hashes`` and for both sides patients, cases, frames, years, and the patients of each group.

    A patient with scans of two scanners counts for both. No date but its year is kept.

    Args:
        frames: rows of frames.parquet, as far as their columns are known.
        hashes: path → hash of the data that the stages read.
    """
    sides = {side: frames[frames["patient_id"].isin(split.patients(side))] for side in get_args(Side)}
    return {"hashes": dict(hashes), "sides": {side: _side(rows) for side, rows in sides.items()}}


def no_data(hashes: Mapping[str, str]) -> dict[str, Any]:
    """Of a model whose training data are not here."""
    return {"hashes": dict(hashes), "sides": {}}


def _side(rows: pd.DataFrame) -> dict[str, Any]:
    years = sorted({str(day)[:4] for day in rows["acquired_at"] if day}) if "acquired_at" in rows else []
    return {
        "patients": int(rows["patient_id"].nunique()),
        "cases": int(rows["case_id"].nunique()),
        "frames": len(rows),
        "years": [years[0], years[-1]] if years else None,
        "groups": {name: _patients(rows, _group(rows, name)) for name in COUNTED},
    }


def _patients(rows: pd.DataFrame, group: pd.Series[Any]) -> dict[str, int]:
    counted = rows.assign(group=group).groupby("group", sort=True)["patient_id"].nunique()
    return {str(name): int(number) for name, number in counted.items()}


def _group(rows: pd.DataFrame, name: str) -> pd.Series[Any]:
    if name == "scanner":
        both = _text(rows, "manufacturer") + " " + _text(rows, "model")
        return both.str.strip().replace("", UNKNOWN)
    if name == "age":
        return _ages(rows)
    return _text(rows, name).replace("", UNKNOWN)


def _text(rows: pd.DataFrame, column: str) -> pd.Series[Any]:
    if column not in rows:
        return pd.Series("", index=rows.index, dtype=object)
    return rows[column].fillna("").astype(str)


def _ages(rows: pd.DataFrame) -> pd.Series[Any]:
    if "age_years" not in rows:
        return pd.Series(UNKNOWN, index=rows.index, dtype=object)
    names = [
        next(name for end, name in _AGES if age < end) if np.isfinite(age) else UNKNOWN
        for age in rows["age_years"].to_numpy(np.float64)
    ]
    return pd.Series(names, index=rows.index, dtype=object)
