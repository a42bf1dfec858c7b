"""Patients by one number, highest first."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from components.acquisition.budget import Budget, spend
from components.acquisition.choice import Choice
from components.acquisition.scorecards import Scorecards, by_case, needed, worst_case


def ranked_by(
    column: str,
    scorecards: Scorecards,
    budget: Budget,
    generator: np.random.Generator,
    *,
    strategy: str,
    of: Literal["mean", "max"] = "mean",
) -> tuple[Choice, ...]:
    """By the column over the frames of the patient's worst case; equal ones in random order, NaN last.

    Raises ``InputError`` when no frame has the column.
    """
    if scorecards.pool.empty:
        return ()
    needed(scorecards, column, strategy)
    worst = worst_case(by_case(scorecards.pool, column, of))
    ranked = in_order(worst, worst["value"].to_numpy(dtype=np.float64), generator)
    words = column.replace("_", " ")
    return spend(
        budget,
        (
            Choice(
                case_id=str(row.case_id),
                patient_id=str(patient),
                score=float(row.score),
                reason=f"{words} {row.score:.3g}, rank {rank} of {len(worst)} patients",
                minutes=0.0,
            )
            for rank, (patient, row) in enumerate(ranked.iterrows(), start=1)
        ),
    )


def in_order(
    cases: pd.DataFrame, scores: np.typing.NDArray[np.float64], generator: np.random.Generator
) -> pd.DataFrame:
    """The rows with a column ``score``, highest first; equal ones in random order, NaN last."""
    shuffled = cases.assign(score=scores).iloc[generator.permutation(len(cases))]
    return shuffled.sort_values("score", ascending=False, kind="stable", na_position="last")
