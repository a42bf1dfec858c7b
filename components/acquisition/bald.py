"""BALD: where the members are sure, each of something else (Houlsby et al. 2011, arXiv 1112.5745, eq. 2)."""

from __future__ import annotations

import numpy as np

from components.acquisition.budget import Budget
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.ranking import ranked_by
from components.acquisition.scorecards import Scorecards


def bald(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """By ``mutual_information``, H of the mean prediction less the mean H of the members; 0 where all agree."""
    return ranked_by("mutual_information", scorecards, budget, generator, strategy="bald")
