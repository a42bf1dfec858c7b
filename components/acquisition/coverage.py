"""Cover the pool: patients far from all chosen ones, weighted by uncertainty, plus a typical share.

Greedy k-center (Sener and Savarese 2018, "Active learning for convolutional neural networks: a core-set
approach", algorithm 1) with each distance multiplied by an uncertainty weight. Unguarded k-center takes
every broken scan, so a third of the batch goes to the most typical patients: coverage with such a share beat
coverage alone in our own calibration on phantoms.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.acquisition.choice import Choice, worst_case_by_patient
from components.scorecard.columns import EMBEDDING
from components.scorecard.embedding_space import distances, fit_space
from components.scorecard.patients import columns_with, patient_means

Floats = npt.NDArray[np.float64]

TYPICAL_SHARE = 1 / 3
_NEIGHBOURS = 5


def coverage(
    scorecards: pd.DataFrame, budget_cases: int, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """Every third choice is the most typical patient left, the others the farthest from all chosen ones.

    Without embeddings (or with missing ones) all patients are equally far apart, which leaves uncertainty.
    """
    worst = worst_case_by_patient(scorecards)
    if worst.empty:
        return ()
    gaps = _patient_distances(scorecards)
    weights = _uncertainty_weights(worst["uncertainty"].to_numpy(dtype=np.float64))
    sparsity = np.sort(gaps, axis=1)[:, 1 : 1 + _NEIGHBOURS].mean(axis=1) if len(gaps) > 1 else np.zeros(1)
    # Equal scores must not always fall to the first patient of the alphabet.
    shuffle = generator.permutation(len(worst))
    chosen: list[tuple[int, float, str]] = []
    for turn in range(min(budget_cases, len(worst))):
        left = np.array([i for i in shuffle if i not in {index for index, _, _ in chosen}])
        taken = [index for index, _, _ in chosen]
        chosen.append(
            _typical(left, sparsity) if _is_typical_turn(turn) else _far(left, taken, gaps, weights)
        )
    return tuple(
        Choice(
            case_id=str(worst["case_id"].iloc[i]), patient_id=str(worst.index[i]), score=score, reason=reason
        )
        for i, score, reason in chosen
    )


def _is_typical_turn(turn: int) -> bool:
    return int((turn + 1) * TYPICAL_SHARE) > int(turn * TYPICAL_SHARE)


def _far(
    left: npt.NDArray[np.intp], taken: list[int], gaps: Floats, weights: Floats
) -> tuple[int, float, str]:
    # The first centre is the patient that is farthest from the pool's middle, as far as weights allow.
    reach = gaps[left][:, taken].min(axis=1) if taken else gaps[left].mean(axis=1)
    score = reach * weights[left]
    best = int(score.argmax())
    what = "all chosen patients" if taken else "the other patients"
    reason = f"{reach[best]:.2f} from {what}, uncertainty weight {weights[left[best]]:.2f}"
    return int(left[best]), float(score[best]), reason


def _typical(left: npt.NDArray[np.intp], sparsity: Floats) -> tuple[int, float, str]:
    best = int(left[sparsity[left].argmin()])
    return best, float(-sparsity[best]), f"typical: {sparsity[best]:.2f} from its nearest patients on average"


def _patient_distances(scorecards: pd.DataFrame) -> Floats:
    """``(n, n)`` in units of the median distance, patients sorted by id."""
    columns = columns_with(scorecards, EMBEDDING)
    means = patient_means(scorecards, columns).to_numpy(dtype=np.float64)
    if not columns or not np.isfinite(means).all():
        return 1.0 - np.eye(len(means))
    points = fit_space(means).project(means)
    gaps = distances(points, points)
    return gaps / (float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0)


def _uncertainty_weights(uncertainty: Floats) -> Floats:
    """In [0.5, 1.5]: half plus the share of patients that are surer."""
    filled = np.where(np.isfinite(uncertainty), uncertainty, -np.inf)
    below = (filled[None] < filled[:, None]).mean(axis=1)
    return np.asarray(0.5 + below)
