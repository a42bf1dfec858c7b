"""Patients drawn at random: the unbiased share of a batch, and the baseline for every other strategy."""

from __future__ import annotations

import numpy as np

from components.acquisition.budget import Budget, spend
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards


def random_patients(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """Patients uniformly without replacement, then one of the patient's cases uniformly."""
    return spend(
        budget,
        (
            Choice(
                case_id=str(generator.choice(scorecards.cases(patient))),
                patient_id=patient,
                score=0.0,
                reason="drawn at random among the patients",
                minutes=0.0,
            )
            for patient in generator.permutation(np.array(scorecards.patients(), dtype=object))
        ),
    )
