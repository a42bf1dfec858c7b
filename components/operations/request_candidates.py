"""From scorecards and verdict to frames worth an expert's time: one case per patient, few frames per case."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from components.acquisition.choice import eligible
from components.acquisition.frames_of_case import frames_of_case
from components.acquisition.strategies import STRATEGIES, StrategyName
from components.drift.strata import Stratum
from components.drift.verdict import DriftVerdict
from components.scorecard.columns import META
from components.scorecard.patients import value_text
from components.scorecard.reference_threshold import ReferenceThreshold

WATCHED: tuple[Literal["uncertainty", "temporal_jump"], ...] = ("uncertainty", "temporal_jump")


@dataclass(frozen=True, kw_only=True)
class RequestCandidate:
    """A frame for an expert; the fields are those of a labeling request.

    ``measured`` and ``threshold``: uncertainty or temporal jump in [0, 1] against the reference; for a drift
    the smallest Holm-adjusted p-value against alpha. ``evidence`` is the same text for the same finding.
    """

    frame_id: str
    case_id: str
    patient_id: str
    batch: str
    reason: Literal["uncertainty", "temporal_jump", "drift"]
    measured: float
    threshold: float
    evidence: str


def threshold_candidates(
    scorecards: pd.DataFrame,
    thresholds: Sequence[ReferenceThreshold],
    *,
    budget_cases: int,
    frames_per_case: int,
    excluded_patients: Collection[str] = (),
) -> tuple[RequestCandidate, ...]:
    """Frames above a threshold by relative excess: each for its strongest reason, worst patients first."""
    pool = eligible(scorecards, excluded_patients)
    tables = [_exceeding(pool, threshold) for threshold in thresholds]
    if not any(len(table) for table in tables):
        return ()
    ranked = pd.concat(tables).sort_values(["excess", "frame_id"], ascending=[False, True], kind="stable")
    ranked = ranked.drop_duplicates("frame_id")
    case_of_patient = ranked.drop_duplicates("patient_id").head(budget_cases)["case_id"]
    chosen = ranked[ranked["case_id"].isin(set(case_of_patient))].groupby("case_id").head(frames_per_case)
    by_column = {threshold.column: threshold for threshold in thresholds}
    return tuple(
        _unusual(row, by_column[column], column)
        for row in chosen.to_dict("records")
        for column in WATCHED
        if column == row["exceeds"]
    )


def drift_candidates(
    scorecards: pd.DataFrame,
    verdict: DriftVerdict,
    *,
    strategy: StrategyName,
    budget_cases: int,
    frames_per_case: int,
    excluded_patients: Collection[str],
    generator: np.random.Generator,
) -> tuple[RequestCandidate, ...]:
    """Cases of the drifted stratum (of the whole window when none stands out), chosen by the strategy.

    None unless the verdict is ``drift``.
    """
    if verdict.kind != "drift":
        return ()
    stratum = verdict.strata[0] if verdict.strata else None
    pool = eligible(_of_stratum(scorecards, stratum), excluded_patients)
    chosen = STRATEGIES[strategy](pool, budget_cases, generator)
    p_value = min(channel.p_holm for channel in verdict.channels)
    evidence = _drift_evidence(verdict, stratum)
    return tuple(
        RequestCandidate(
            frame_id=frame,
            case_id=choice.case_id,
            patient_id=choice.patient_id,
            batch=_batch_of(pool, frame),
            reason="drift",
            measured=p_value,
            threshold=verdict.alpha,
            evidence=evidence,
        )
        for choice in chosen
        for frame in frames_of_case(pool[pool["case_id"] == choice.case_id], frames_per_case)
    )


def _exceeding(pool: pd.DataFrame, threshold: ReferenceThreshold) -> pd.DataFrame:
    if threshold.column not in pool:
        return pool.iloc[:0].assign(excess=[], exceeds=[])
    above = pool[pool[threshold.column] > threshold.value]
    scale = max(threshold.value, 0.01)
    return above.assign(excess=(above[threshold.column] - threshold.value) / scale, exceeds=threshold.column)


def _unusual(
    row: dict[Hashable, Any], threshold: ReferenceThreshold, column: Literal["uncertainty", "temporal_jump"]
) -> RequestCandidate:
    return RequestCandidate(
        frame_id=str(row["frame_id"]),
        case_id=str(row["case_id"]),
        patient_id=str(row["patient_id"]),
        batch=str(row["batch"]),
        reason=column,
        measured=float(row[column]),
        threshold=threshold.value,
        evidence=(
            f"{column.replace('_', ' ')} above rank {threshold.rank} of the worst frames of {threshold.n} "
            f"reference patients (level {threshold.level:.2f})"
        ),
    )


def _of_stratum(scorecards: pd.DataFrame, stratum: Stratum | None) -> pd.DataFrame:
    if stratum is None:
        return scorecards
    return scorecards[scorecards[META + stratum.column].map(value_text) == stratum.value]


def _drift_evidence(verdict: DriftVerdict, stratum: Stratum | None) -> str:
    channels = ", ".join(channel.name for channel in verdict.channels if channel.alarmed)
    where = f"{stratum.column} {stratum.value}" if stratum else "the whole window"
    return f"drift of {channels} in {where}"


def _batch_of(pool: pd.DataFrame, frame: str) -> str:
    return str(pool.loc[pool["frame_id"] == frame, "batch"].iloc[0])
