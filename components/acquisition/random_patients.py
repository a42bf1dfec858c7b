"""Patients drawn at random: the unbiased share of a batch, and the baseline for every other strategy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.acquisition.choice import Choice, worst_case_by_patient


def random_patients(
    scorecards: pd.DataFrame, budget_cases: int, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """Patients uniformly without replacement, then one of the patient's cases uniformly."""
    patients = worst_case_by_patient(scorecards).index.to_numpy()
    drawn = generator.permutation(patients)[:budget_cases]
    return tuple(
        Choice(
            case_id=str(generator.choice(_cases_of(scorecards, patient))),
            patient_id=str(patient),
            score=0.0,
            reason="drawn at random among the patients",
        )
        for patient in drawn
    )


def _cases_of(scorecards: pd.DataFrame, patient: str) -> list[str]:
    return sorted(set(scorecards.loc[scorecards["patient_id"] == patient, "case_id"]))
