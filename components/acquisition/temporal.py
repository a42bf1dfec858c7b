"""The cines whose prediction jumps between neighbouring frames, since a heart moves smoothly."""

from __future__ import annotations

import numpy as np

from components.acquisition.budget import Budget
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.ranking import ranked_by
from components.acquisition.scorecards import Scorecards


def temporal(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """By the largest ``temporal_jump`` of the case's frames; a plain CT has none and comes last."""
    return ranked_by("temporal_jump", scorecards, budget, generator, strategy="temporal", of="max")
