"""The patients whose worst case the model is least sure of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.acquisition.choice import Choice, worst_case_by_patient


def most_uncertain(
    scorecards: pd.DataFrame, budget_cases: int, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """By mean uncertainty of the patient's worst case, highest first; equal ones in random order."""
    worst = worst_case_by_patient(scorecards)
    shuffled = worst.iloc[generator.permutation(len(worst))]
    ranked = shuffled.sort_values("uncertainty", ascending=False, kind="stable", na_position="last")
    return tuple(
        Choice(
            case_id=str(row.case_id),
            patient_id=str(patient),
            score=float(row.uncertainty),
            reason=f"uncertainty {row.uncertainty:.3f}, rank {rank} of {len(worst)} patients",
        )
        for rank, (patient, row) in enumerate(ranked.head(budget_cases).iterrows(), start=1)
    )
