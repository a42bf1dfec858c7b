"""What judging a model on held-out patients yields, for both tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from components.metrics.bootstrap import Interval, Statistic, bootstrap_interval
from components.metrics.weighting import Array, weighted_mean


@dataclass(frozen=True, kw_only=True)
class IntervalParams:
    """Of the patient-level bootstrap intervals."""

    seed: int
    draws: int
    level: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Args:
    metrics: JSON-able: metric → structure or finding (and ``mean`` / ``macro``) → value, low, high, patients.
    per_patient: one row per patient (segmentation) or case (classification) with an expert's truth.
    frames: one row per judged frame, for figures.
    reference: scorecards of all held-out frames, with or without an expert's truth.
    """

    metrics: Mapping[str, Any]
    per_patient: pd.DataFrame
    frames: pd.DataFrame
    reference: pd.DataFrame


def interval_of(patients: Sequence[str], statistic: Statistic, params: IntervalParams) -> dict[str, Any]:
    """A bootstrap interval, JSON-able, rounded so that equal inputs give equal bytes on any machine."""
    interval = bootstrap_interval(
        patients, statistic, seed=params.seed, draws=params.draws, level=params.level
    )
    return rounded(interval)


def mean_interval(table: pd.DataFrame, column: str, params: IntervalParams) -> dict[str, Any]:
    """Mean of a per-patient column over the patients for whom it is defined."""
    rows = table[["patient_id", column]].dropna()
    values: Array = rows[column].to_numpy(np.float64)
    return interval_of(rows["patient_id"].tolist(), lambda weight: weighted_mean(values, weight), params)


def rounded(interval: Interval) -> dict[str, Any]:
    """Six decimals; NaN becomes ``None``."""
    tree = dataclasses.asdict(interval)
    return {
        key: value if isinstance(value, int) else (round(value, 6) if np.isfinite(value) else None)
        for key, value in tree.items()
    }
