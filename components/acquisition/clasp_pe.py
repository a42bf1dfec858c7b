"""ClaSP PE: class-stratified, scheduled, noised predictive entropy (Lüth et al., TMLR 2026, arXiv 2601.13677).

The score of a class is entropy × class probability, averaged over voxels (``class_score_*``). Two thirds of a
batch are split evenly over the classes. Noise on the logarithm of the score keeps early batches diverse: its
inverse temperature rises exponentially from 1 to 100 over the campaign. What ranks the last third the figures known to
us do not say; here it is the predictive entropy over all classes, with the same noise.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.acquisition.budget import Budget, spend
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.power_bald import perturbed
from components.acquisition.scorecards import Scorecards, by_case, needed, worst_case
from components.errors import InputError
from components.scorecard.columns import CLASS_SCORE
from components.scorecard.patients import columns_with

CLASS_SHARE = 2 / 3
BETA_LAST = 100.0


def clasp_pe(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """Turn by turn: the best patient left for this turn's class, or over all classes."""
    if scorecards.pool.empty:
        return ()
    classes = columns_with(scorecards.pool, CLASS_SCORE)
    if not classes:
        raise InputError(
            expected=f"scorecards with {CLASS_SCORE!r} columns, which the strategy 'clasp_pe' ranks by",
            got="none",
            hint="a model package that measures them, or another monitor.strategy",
        )
    needed(scorecards, "predictive_entropy", "clasp_pe")
    ranked = {
        column: _noised(scorecards.pool, column, beta(budget.progress), generator)
        for column in ("predictive_entropy", *classes)
    }
    return spend(budget, _in_turns(ranked, turns(classes, len(scorecards.patients()), generator)))


def beta(progress: float) -> float:
    """1 at the start of the campaign, 100 at its end."""
    return float(BETA_LAST**progress)


def turns(classes: list[str], number: int, generator: np.random.Generator) -> list[str]:
    """Which column ranks each turn: two of three turns a class, round robin from a random order."""
    order = [str(name) for name in generator.permutation(np.array(classes, dtype=object))]
    result, of_classes = [], 0
    for turn in range(number):
        is_class = int((turn + 1) * CLASS_SHARE + 1e-9) > int(turn * CLASS_SHARE + 1e-9)
        result.append(order[of_classes % len(order)] if is_class else "predictive_entropy")
        of_classes += is_class
    return result


def _noised(
    pool: pd.DataFrame, column: str, inverse_temperature: float, generator: np.random.Generator
) -> list[Choice]:
    """Each patient's case of highest value; the noise comes after the means over voxels and frames."""
    worst = worst_case(by_case(pool, column))
    scores = perturbed(worst["value"].to_numpy(np.float64), inverse_temperature, generator)
    ranked = worst.assign(score=scores).sort_values(
        "score", ascending=False, kind="stable", na_position="last"
    )
    words = column.removeprefix(CLASS_SCORE).replace("_", " ")
    return [
        Choice(
            case_id=str(row.case_id),
            patient_id=str(patient),
            score=float(row.score),
            reason=f"for {words}: {row.value:.3g}, noise of scale {1 / inverse_temperature:.2g}",
            minutes=0.0,
        )
        for patient, row in ranked.iterrows()
    ]


def _in_turns(ranked: dict[str, list[Choice]], order: list[str]) -> list[Choice]:
    taken: set[str] = set()
    chosen = []
    for column in order:
        best = next(choice for choice in ranked[column] if choice.patient_id not in taken)
        taken.add(best.patient_id)
        chosen.append(best)
    return chosen
