"""How wrong the model probably is about each case, from the signals that a scorecard has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.acquisition.scorecards import by_case

Floats = npt.NDArray[np.float64]

QUALITY = "predicted_quality"
DISAGREEMENT: tuple[tuple[str, int], ...] = (
    ("pairwise_dice_disagreement", 1),
    ("student_teacher_dice", -1),
    ("temporal_jump", 1),
    ("boundary_entropy", 1),
)
"""Signals that go on finding failures as the model learns, and whether more of it is worse."""

DOUBT: tuple[tuple[str, int], ...] = (
    ("uncertainty", 1),
    ("mutual_information", 1),
    ("predictive_entropy", 1),
)
"""Signals that stand in where none of the others is there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictedError:
    """Of each case.

    Args:
        relative: (patient_id, case_id), sorted → predicted error over its mean in the pool; not negative.
        by: what it comes from.
        missing: the signals that would be better and are not there.
    """

    relative: pd.Series[float]
    by: str
    missing: tuple[str, ...]


def predicted_error(pool: pd.DataFrame) -> PredictedError:
    """1 - ``predicted_quality`` where every case has one, else the mean rank over the signals that are there."""
    index = pool.groupby(["patient_id", "case_id"], sort=True).size().index
    if _known(pool, QUALITY) and (quality := by_case(pool, QUALITY)).notna().all():
        return PredictedError(relative=_over_mean(1.0 - quality.clip(0.0, 1.0)), by=QUALITY, missing=())
    for signals in (DISAGREEMENT, DOUBT):
        known = [(name, sign) for name, sign in signals if _known(pool, name)]
        if known:
            ranks = pd.concat([_ranks(pool, name, sign) for name, sign in known], axis=1)
            value = ranks.mean(axis=1).fillna(0.5)
            absent = [name for name, _ in DISAGREEMENT if name not in dict(known)]
            return PredictedError(
                relative=_over_mean(value),
                by=", ".join(name for name, _ in known),
                missing=(QUALITY, *absent),
            )
    every = (QUALITY, *(name for name, _ in DISAGREEMENT))
    return PredictedError(relative=pd.Series(1.0, index=index), by="nothing", missing=every)


def _known(pool: pd.DataFrame, column: str) -> bool:
    return column in pool and bool(pool[column].notna().any())


def _ranks(pool: pd.DataFrame, column: str, sign: int) -> pd.Series[float]:
    """In [0, 1] among the cases that have the signal, equal ones sharing their mean rank."""
    values = sign * by_case(pool, column, "max" if sign > 0 and column == "temporal_jump" else "mean")
    n = int(values.notna().sum())
    return (values.rank() - 1) / (n - 1) if n > 1 else values * 0 + 0.5


def _over_mean(values: pd.Series[float]) -> pd.Series[float]:
    mean = float(values.mean())
    return values / mean if mean > 0 else values * 0 + 1.0
