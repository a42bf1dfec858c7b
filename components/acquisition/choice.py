"""What a strategy is given and what it answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A case chosen for an expert; ``score`` is in the strategy's own unit, ``reason`` a short sentence."""

    case_id: str
    patient_id: str
    score: float
    reason: str


class Strategy(Protocol):
    """Chooses at most ``budget_cases`` cases of as many patients, best first."""

    def __call__(
        self, scorecards: pd.DataFrame, budget_cases: int, generator: np.random.Generator
    ) -> tuple[Choice, ...]: ...


def eligible(scorecards: pd.DataFrame, excluded_patients: Collection[str]) -> pd.DataFrame:
    """The pool: scorecards of patients that are neither labelled nor kept for the test set."""
    return scorecards[~scorecards["patient_id"].isin(set(excluded_patients))]


def worst_case_by_patient(scorecards: pd.DataFrame) -> pd.DataFrame:
    """One row per patient (index ``patient_id``, sorted): its case of highest mean ``uncertainty``."""
    cases = scorecards.groupby(["patient_id", "case_id"], sort=True)["uncertainty"].mean().reset_index()
    ranked = cases.sort_values(["uncertainty", "case_id"], ascending=[False, True], na_position="last")
    return ranked.groupby("patient_id", sort=True).first()
