"""What a strategy is given and what it answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from components.acquisition.budget import Budget
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards

Arm = Literal["strategy", "random"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A case chosen for an expert.

    Args:
        score: in the strategy's own unit; higher is better.
        reason: a short sentence.
        minutes: expert time that the case is expected to take.
        arm: whether a strategy chose it or the random draw that the strategy is compared with.
    """

    case_id: str
    patient_id: str
    score: float
    reason: str
    minutes: float
    arm: Arm = "strategy"


class Strategy(Protocol):
    """Chooses cases of as many patients within the budget, best first; the same seed, the same choice."""

    def __call__(
        self,
        scorecards: Scorecards,
        embeddings: Embeddings,
        budget: Budget,
        generator: np.random.Generator,
        /,
    ) -> tuple[Choice, ...]: ...


def eligible(scorecards: pd.DataFrame, excluded_patients: Collection[str]) -> pd.DataFrame:
    """The pool: scorecards of patients that are neither labelled nor kept for the test set."""
    return scorecards[~scorecards["patient_id"].isin(set(excluded_patients))]
