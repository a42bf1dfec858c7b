"""The patients that the model is least sure of, by the uncertainty that every scorecard has."""

from __future__ import annotations

import numpy as np

from components.acquisition.budget import Budget
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.ranking import ranked_by
from components.acquisition.scorecards import Scorecards


def most_uncertain(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """By mean ``uncertainty`` over the frames of the patient's worst case."""
    return ranked_by("uncertainty", scorecards, budget, generator, strategy="most_uncertain")
