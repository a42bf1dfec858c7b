"""Use case: how a shadow version does beside the champion, on the same cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from components.metrics.overlap import dice_per_structure
from components.models.prediction import FramePrediction
from components.operations.evaluation import IntervalParams, mean_interval
from components.scorecard.columns import OUTPUT

COMPARED = ("case_id", "patient_id", "batch", "agreement", "uncertainty_champion", "uncertainty_shadow")


def label_agreement(champion: FramePrediction, shadow: FramePrediction) -> float:
    """Mean Dice between the two answers over the structures that either draws; 1 where neither draws any."""
    assert champion.labels is not None
    assert shadow.labels is not None
    dice = np.array(list(dice_per_structure(shadow.labels, champion.labels).values()))
    known = dice[np.isfinite(dice)]
    return float(known.mean()) if len(known) else 1.0


def call_agreement(
    champion: Mapping[str, Any],
    shadow: Mapping[str, Any],
    thresholds: tuple[Mapping[str, float], Mapping[str, float]],
) -> float:
    """Share of the findings that both scorecard rows name and both versions call alike; NaN without any.

    Args:
        thresholds: (the champion's, the shadow's): finding → probability from which it is called.
    """
    names = [
        column.removeprefix(OUTPUT)
        for column in champion
        if column.startswith(OUTPUT) and np.isfinite([champion[column], shadow.get(column, np.nan)]).all()
    ]
    calls = [
        tuple(
            row[OUTPUT + name] >= own.get(name, 0.5)
            for row, own in zip((champion, shadow), thresholds, strict=True)
        )
        for name in names
    ]
    return float(np.mean([first == second for first, second in calls])) if calls else float("nan")


def shadow_summary(
    compared: pd.DataFrame, returned: pd.DataFrame, intervals: IntervalParams
) -> dict[str, Any]:
    """JSON-able: means per patient with bootstrap intervals; differences are the shadow's less the champion's.

    Args:
        compared: columns ``COMPARED``, one row per case.
        returned: ``patient_id``, ``quality_champion`` and ``quality_shadow`` of cases whose labels experts returned, of
            patients that neither version knows.
    """
    table = compared.assign(
        uncertainty_difference=compared["uncertainty_shadow"] - compared["uncertainty_champion"]
    )
    judged = returned.assign(quality_difference=returned["quality_shadow"] - returned["quality_champion"])
    return {
        "cases": len(compared),
        "batches": sorted(set(compared["batch"].astype(str))),
        **{name: _mean(table, name, intervals) for name in ("agreement", "uncertainty_difference")},
        "returned_cases": len(returned),
        "returned": {
            name: _mean(judged, name, intervals)
            for name in ("quality_champion", "quality_shadow", "quality_difference")
        },
    }


def _mean(table: pd.DataFrame, column: str, intervals: IntervalParams) -> dict[str, Any] | None:
    """Over patients, whatever the number of their cases; ``None`` without any."""
    rows = table[["patient_id", column]].dropna()
    if rows.empty:
        return None
    per_patient = rows.groupby("patient_id", as_index=False).mean()
    return mean_interval(per_patient, column, intervals)
