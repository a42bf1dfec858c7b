"""Small pools for the tests of strategies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.acquisition.budget import Budget
from components.acquisition.choice import Choice, Strategy
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pool_of(**columns: Sequence[float]) -> Scorecards:
    """One frame of one case of each patient p00, p01, …, with these columns."""
    number = len(next(iter(columns.values())))
    names = [f"p{i:02d}" for i in range(number)]
    identity = {
        "frame_id": [f"{name}c" for name in names],
        "case_id": [f"{name}c" for name in names],
        "patient_id": names,
        "batch": "one",
        "phase_percent": np.nan,
    }
    return Scorecards(pool=pd.DataFrame({**identity, "uncertainty": 0.5, **columns}))


def points(
    scorecards: Scorecards,
    points_nd: npt.ArrayLike,
    labelled_md: Sequence[Sequence[float]] | npt.NDArray[np.float64] = (),
) -> Embeddings:
    """These very points, neither standardised nor reduced."""
    own = np.asarray(points_nd, dtype=np.float64)
    labelled = np.asarray(labelled_md, dtype=np.float64).reshape(len(labelled_md), own.shape[1])
    return Embeddings(patients=scorecards.patients(), points_nd=own, labelled_md=labelled)


def nowhere(scorecards: Scorecards) -> Embeddings:
    """Nothing is known of where the patients lie."""
    return points(scorecards, np.zeros((len(scorecards.patients()), 0)))


def choose(
    strategy: Strategy,
    scorecards: Scorecards,
    cases: int,
    *,
    seed: int = 0,
    embeddings: Embeddings | None = None,
    progress: float = 0.0,
) -> tuple[Choice, ...]:
    """At most ``cases`` cases, each of one minute."""
    budget = Budget(cases=cases, progress=progress)
    return strategy(scorecards, embeddings or nowhere(scorecards), budget, rng(seed))


def numbers(choices: Sequence[Choice]) -> list[int]:
    """The patients' numbers, in the order of choice."""
    return [int(choice.patient_id[1:]) for choice in choices]
