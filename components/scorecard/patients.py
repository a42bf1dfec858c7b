"""Scorecards by patient: frames and cases of one patient are not independent, so tests count patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]


def columns_with(scorecards: pd.DataFrame, prefix: str) -> list[str]:
    """The columns whose name starts with ``prefix``, in table order."""
    return [column for column in scorecards.columns if column.startswith(prefix)]


def patient_means(scorecards: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One row per patient (index ``patient_id``, sorted): means over its frames, leaving NaN out."""
    return scorecards.groupby("patient_id", sort=True)[list(columns)].mean()


def patient_shares(scorecards: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row per patient, one column per value (as text): the share of the patient's frames with that value.

    Missing values count as the value ``(unknown)``.
    """
    code, seen = pd.factorize(scorecards[column], use_na_sentinel=False)
    texts = np.array([value_text(value) for value in seen])
    values, text = np.unique(texts, return_inverse=True)
    patients, patient = np.unique(scorecards["patient_id"].to_numpy(dtype=str), return_inverse=True)
    counts = np.zeros((len(patients), len(values)))
    np.add.at(counts, (patient, text[code]), 1.0)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return pd.DataFrame(shares, index=pd.Index(patients, name="patient_id"), columns=values)


def is_numeric(scorecards: pd.DataFrame, column: str) -> bool:
    """Whether a column holds numbers (missing ones included) and not text."""
    return bool(pd.api.types.is_numeric_dtype(scorecards[column]))


def value_text(value: object) -> str:
    """A metadata value as text; what is missing is ``(unknown)``."""
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return "(unknown)"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
