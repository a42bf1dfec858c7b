"""Use case: choose the frames of a window that the model should learn from, within the experts' minutes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from components.acquisition.arm_verdict import ArmVerdict
from components.acquisition.budget import Budget
from components.acquisition.choice import Arm, Choice, Strategy, eligible
from components.acquisition.cost_model import MinutesModel, case_minutes
from components.acquisition.embeddings import Embeddings
from components.acquisition.failure_coverage import FailureCoverage
from components.acquisition.random_patients import random_patients
from components.acquisition.scorecards import Scorecards
from components.acquisition.shadow_arm import choose_with_shadow
from components.acquisition.strategies import DEFAULT
from components.scorecard.columns import IDENTITY


@dataclass(frozen=True, kw_only=True, eq=False)
class Acquisition:
    """How cases are chosen, and what is known from the answers so far.

    Args:
        name, strategy: who chooses.
        baseline: the random arm.
        shadow_share: of the cases for the arm that does not lead; 0 = the strategy alone.
        arms: what the answers of both arms say; ``None`` where nobody looked.
        minutes: what an answer takes.
        labelled: scorecards, by the model in use, of patients that experts have labelled for training.
    """

    name: str = DEFAULT
    strategy: Strategy = field(default_factory=FailureCoverage)
    baseline: Strategy = random_patients
    shadow_share: float = 0.0
    arms: ArmVerdict | None = None
    minutes: MinutesModel = field(default_factory=lambda: MinutesModel(base=30.0))
    labelled: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(IDENTITY)))

    @property
    def leads(self) -> Arm:
        """The arm that gets all cases but ``shadow_share``."""
        return self.arms.leads if self.arms is not None and self.shadow_share > 0 else "strategy"

    def words(self) -> str:
        """Who chooses and what it costs, in a sentence or two for a person."""
        verdict = f" {self.arms.words()}." if self.arms is not None and self.shadow_share > 0 else ""
        return f"Cases are chosen by {self.name}.{verdict} Expected: {self.minutes.words()}."


def choose_cases(
    acquisition: Acquisition,
    scorecards: pd.DataFrame,
    *,
    minutes: float,
    frames_per_case: int,
    excluded_patients: Collection[str],
    generator: np.random.Generator,
) -> tuple[Choice, ...]:
    """Cases of as many patients, best first, the random arm last; none of ``excluded_patients``.

    Args:
        scorecards: of the pool; may hold excluded patients.
        minutes: of experts' time.
        frames_per_case: that an expert is asked about.
    """
    pool = eligible(scorecards, excluded_patients)
    if pool.empty or minutes <= 0:
        return ()
    cards = Scorecards(pool=pool, labelled=eligible(acquisition.labelled, pool["patient_id"]))
    known = cards.labelled["patient_id"].nunique()
    budget = Budget(
        minutes=minutes,
        case_minutes=case_minutes(pool, acquisition.minutes, frames_per_case),
        progress=known / (known + pool["patient_id"].nunique()),
    )
    return choose_with_shadow(
        acquisition.strategy,
        acquisition.baseline,
        leads=acquisition.leads,
        share=acquisition.shadow_share,
        scorecards=cards,
        embeddings=Embeddings.of(cards),
        budget=budget,
        generator=generator,
    )
