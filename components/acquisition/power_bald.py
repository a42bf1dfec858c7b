"""PowerBALD: BALD with noise, so that a batch holds more than ten times the same (Kirsch et al., TMLR 2023)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.acquisition.budget import Budget, spend
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.ranking import in_order
from components.acquisition.scorecards import Scorecards, by_case, needed, worst_case

BETA = 1.0
"""The authors' choice of the inverse temperature."""

_LEAST = 1e-12


def power_bald(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """Draw without replacement with probability proportional to ``mutual_information`` to the power BETA."""
    if scorecards.pool.empty:
        return ()
    needed(scorecards, "mutual_information", "power_bald")
    worst = worst_case(by_case(scorecards.pool, "mutual_information"))
    drawn = in_order(worst, perturbed(worst["value"].to_numpy(np.float64), BETA, generator), generator)
    return spend(
        budget,
        (
            Choice(
                case_id=str(row.case_id),
                patient_id=str(patient),
                score=float(row.score),
                reason=f"drawn by mutual information {row.value:.3g}",
                minutes=0.0,
            )
            for patient, row in drawn.iterrows()
        ),
    )


def perturbed(
    scores: npt.NDArray[np.float64], beta: float, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """log(score) + Gumbel(0, 1 / beta): the largest k are k draws without replacement ∝ score ** beta.

    Kirsch et al. 2023, section 3 (Gumbel top-k); NaN stays NaN.
    """
    return np.asarray(
        np.log(np.maximum(scores, _LEAST)) + generator.gumbel(scale=1.0 / beta, size=scores.shape)
    )
