"""CoreSet: greedy k-center (Sener and Savarese 2018, "Active learning for convolutional neural networks", alg. 1).

As published, without a guard: it takes every broken scan, since nothing is farther from everything.
"""

from __future__ import annotations

import numpy as np

from components.acquisition.budget import Budget, Spending
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings, nearest_labelled
from components.acquisition.scorecards import Scorecards
from components.scorecard.embedding_space import distances


def core_set(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """Each time the patient farthest from all labelled and chosen ones; the first of all at random."""
    patients = [
        str(patient) for patient in generator.permutation(np.array(scorecards.patients(), dtype=object))
    ]
    cases = [str(generator.choice(scorecards.cases(patient))) for patient in patients]
    points = embeddings.rows(patients)
    reach = nearest_labelled(points, embeddings.labelled_md)
    spending, chosen = Spending(budget), []
    left = np.ones(len(patients), dtype=bool)
    while (left := left & spending.which(cases)).any():
        best = int(np.where(left, reach, -1.0).argmax())
        left[best] = False
        far = reach[best]
        chosen.append(
            Choice(
                case_id=cases[best],
                patient_id=patients[best],
                score=float(far),
                reason=f"{far:.2f} from all labelled and chosen patients"
                if np.isfinite(far)
                else "the first",
                minutes=spending.pay(cases[best]),
            )
        )
        reach = np.minimum(reach, distances(points, points[best : best + 1])[:, 0])
    return tuple(chosen)
