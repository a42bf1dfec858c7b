"""The scorecards that a strategy sees, and what they say of each case and each patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.errors import InputError
from components.scorecard.columns import IDENTITY

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorecards:
    """One row per frame, columns as in ``components.scorecard.columns``.

    Args:
        pool: of the patients that may be chosen, and of no others.
        labelled: of patients that experts have labelled for training; empty at the start. Its ``output_*`` may
            be the experts' own volumes and findings.
    """

    pool: pd.DataFrame
    labelled: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(IDENTITY)))

    def __post_init__(self) -> None:
        for name in ("pool", "labelled"):  # a sum depends on the order of its terms, a choice must not
            object.__setattr__(self, name, getattr(self, name).sort_values("frame_id", kind="stable"))

    def patients(self) -> tuple[str, ...]:
        """The pool's patients, sorted."""
        return tuple(sorted(self.pool["patient_id"].astype(str).unique()))

    def cases(self, patient: str) -> list[str]:
        """The patient's cases in the pool, sorted."""
        return self._cases[patient]

    @cached_property
    def _cases(self) -> dict[str, list[str]]:
        found = self.pool.groupby("patient_id")["case_id"].unique()
        return {str(patient): sorted(map(str, cases)) for patient, cases in found.items()}


def by_case(pool: pd.DataFrame, column: str, of: Literal["mean", "max"] = "mean") -> pd.Series[float]:
    """(patient_id, case_id), sorted → the column over the case's frames; NaN where no frame has it.

    A mean or a maximum over frames, so that a cine with many frames scores no higher for their number.
    """
    return pool.groupby(["patient_id", "case_id"], sort=True)[column].agg(of).astype(np.float64)


def needed(scorecards: Scorecards, column: str, strategy: str) -> None:
    """``InputError`` unless some frame of the pool has the ``column``."""
    if column not in scorecards.pool or scorecards.pool[column].isna().all():
        raise InputError(
            expected=f"scorecards with {column!r}, which the strategy {strategy!r} ranks by",
            got="no frame that has it",
            hint="a model package that measures it, or another monitor.strategy",
        )


def worst_case(values: pd.Series[float]) -> pd.DataFrame:
    """Of (patient_id, case_id) → value: each patient's case of highest value; NaN is lowest, ties by id.

    Returns:
        index ``patient_id`` sorted, columns ``case_id`` and ``value``.
    """
    table = values.rename("value").reset_index()
    table["patient_id"], table["case_id"] = table["patient_id"].astype(str), table["case_id"].astype(str)
    ranked = table.sort_values(["value", "case_id"], ascending=[False, True], na_position="last")
    return ranked.groupby("patient_id", sort=True).head(1).set_index("patient_id").sort_index()
