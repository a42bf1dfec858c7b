"""The patients on whose structures the members of an ensemble agree least (Zenk et al., MedIA 2025)."""

from __future__ import annotations

import numpy as np

from components.acquisition.budget import Budget
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.ranking import ranked_by
from components.acquisition.scorecards import Scorecards


def pairwise_dice(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """By ``pairwise_dice_disagreement``, 1 less the mean foreground Dice over pairs of members."""
    return ranked_by("pairwise_dice_disagreement", scorecards, budget, generator, strategy="pairwise_dice")
