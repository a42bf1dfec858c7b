"""Foreground-aware random: the baseline that no method beats reliably (Lüth et al., nnActive, TMLR 2025).

There two thirds of the patches are drawn near foreground. Here the unit is a patient, and foreground is what the
pseudo-labels or the model in use show.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.acquisition.budget import Budget, spend
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards, by_case, needed
from components.scorecard.columns import OUTPUT
from components.scorecard.patients import columns_with

FOREGROUND_SHARE = 2 / 3


def foreground_random(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """With probability 2/3 a structure, then a case that shows it; else any patient, then any of its cases.

    Structures (``output_*_ml``; without them ``foreground_ml``) are drawn uniformly among those that anyone left
    shows, so that small ones count as much; patients uniformly among those left.
    """
    if scorecards.pool.empty:
        return ()
    cases, shows_ck = _shown(scorecards)
    return spend(budget, _drawn(cases, shows_ck, generator))


def _shown(scorecards: Scorecards) -> tuple[list[tuple[str, str]], npt.NDArray[np.bool_]]:
    """(patient, case), sorted, and ``(cases, structures)`` whether a frame of the case shows the structure."""
    columns = [name for name in columns_with(scorecards.pool, OUTPUT) if name.endswith("_ml")]
    if not columns:
        needed(scorecards, "foreground_ml", "foreground_random")
        columns = ["foreground_ml"]
    table = [by_case(scorecards.pool, column, "max") for column in columns]
    return list(table[0].index), np.stack([column.to_numpy() > 0 for column in table], axis=1)


def _drawn(
    cases: list[tuple[str, str]], shows_ck: npt.NDArray[np.bool_], generator: np.random.Generator
) -> list[Choice]:
    left = np.ones(len(cases), dtype=bool)
    patients = np.array([str(patient) for patient, _ in cases], dtype=object)
    chosen = []
    while left.any():
        near = bool(generator.random() < FOREGROUND_SHARE)
        structures = np.flatnonzero(shows_ck[left].any(axis=0))
        may = left & shows_ck[:, generator.choice(structures)] if near and len(structures) else left
        patient = str(generator.choice(sorted(set(patients[may]))))
        own = np.flatnonzero(may & (patients == patient))
        left &= patients != patient
        chosen.append(
            Choice(
                case_id=str(cases[int(generator.choice(own))][1]),
                patient_id=patient,
                score=0.0,
                reason="drawn at random among patients with foreground" if near else "drawn at random",
                minutes=0.0,
            )
        )
    return chosen
