"""The patients with the highest entropy of the mean prediction (Shannon 1948; Settles 2009, section 3.1)."""

from __future__ import annotations

import numpy as np

from components.acquisition.budget import Budget
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.ranking import ranked_by
from components.acquisition.scorecards import Scorecards


def entropy(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """By ``predictive_entropy``, in nats, a mean over voxels and frames."""
    return ranked_by("predictive_entropy", scorecards, budget, generator, strategy="entropy")
