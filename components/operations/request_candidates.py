"""From scorecards and verdict to frames worth an expert's time: one case per patient, few frames per case."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from components.acquisition.choice import Arm, eligible
from components.acquisition.cost_model import MinutesModel
from components.acquisition.frames_of_case import frames_of_case
from components.drift.attribution import Carrier
from components.drift.strata import Stratum, column_of
from components.drift.verdict import DriftVerdict
from components.operations.acquire import Acquisition, choose_cases
from components.scorecard.patients import value_text
from components.scorecard.reference_threshold import ReferenceThreshold

WATCHED: tuple[Literal["uncertainty", "temporal_jump"], ...] = ("uncertainty", "temporal_jump")


@dataclass(frozen=True, kw_only=True)
class RequestCandidate:
    """A frame for an expert; the fields are those of a labeling request.

    ``measured`` and ``threshold``: uncertainty or temporal jump in [0, 1] against the reference; for a drift
    the smallest Holm-adjusted p-value against alpha; for an acquisition ``None``. ``evidence`` is the same text for the
    same finding. ``minutes`` is what the answer is expected to take; ``arm`` and ``choice`` are of the acquisition.
    """

    frame_id: str
    case_id: str
    patient_id: str
    batch: str
    reason: Literal["uncertainty", "temporal_jump", "drift", "acquisition"]
    measured: float | None
    threshold: float | None
    evidence: str
    minutes: float
    arm: Arm | None = None
    choice: str | None = None


def threshold_candidates(
    scorecards: pd.DataFrame,
    thresholds: Sequence[ReferenceThreshold],
    *,
    minutes: MinutesModel,
    budget_minutes: float,
    frames_per_case: int,
    excluded_patients: Collection[str] = (),
) -> tuple[RequestCandidate, ...]:
    """Frames above a threshold by relative excess: each for its strongest reason, worst patients first.

    A patient whose frames no longer fit the minutes is passed over.
    """
    pool = eligible(scorecards, excluded_patients)
    tables = [_exceeding(pool, threshold) for threshold in thresholds]
    if not any(len(table) for table in tables):
        return ()
    ranked = pd.concat(tables).sort_values(["excess", "frame_id"], ascending=[False, True], kind="stable")
    ranked = ranked.drop_duplicates("frame_id")
    worst = ranked.drop_duplicates("patient_id")["case_id"]
    asked = ranked[ranked["case_id"].isin(set(worst))].groupby("case_id").head(frames_per_case)
    asked = asked.assign(minutes=minutes.minutes(asked))
    chosen = asked[asked["case_id"].isin(_afforded(asked, budget_minutes))]
    by_column = {threshold.column: threshold for threshold in thresholds}
    return tuple(
        _unusual(row, by_column[column], column)
        for row in chosen.to_dict("records")
        for column in WATCHED
        if column == row["exceeds"]
    )


def chosen_candidates(
    acquisition: Acquisition,
    scorecards: pd.DataFrame,
    verdict: DriftVerdict,
    *,
    budget_minutes: float,
    frames_per_case: int,
    excluded_patients: Collection[str],
    generator: np.random.Generator,
) -> tuple[RequestCandidate, ...]:
    """Cases that the acquisition chooses: after a drift those that carry it (all of the window when none stand out)."""
    drifted = verdict.kind == "drift"
    stratum = verdict.strata[0] if drifted and verdict.strata else None
    carrier = verdict.attribution.carrier if drifted and stratum is None and verdict.attribution else None
    pool = _of_stratum(scorecards, stratum) if carrier is None else _that_moved(scorecards, carrier)
    chosen = choose_cases(
        acquisition,
        pool,
        minutes=budget_minutes,
        frames_per_case=frames_per_case,
        excluded_patients=excluded_patients,
        generator=generator,
    )
    p_value = min((channel.p_holm for channel in verdict.channels), default=None)
    evidence = _drift_evidence(verdict, stratum, carrier) if drifted else "routine share of the batch"
    return tuple(
        RequestCandidate(
            frame_id=str(frame["frame_id"]),
            case_id=choice.case_id,
            patient_id=choice.patient_id,
            batch=str(frame["batch"]),
            reason="drift" if drifted else "acquisition",
            measured=p_value if drifted else None,
            threshold=verdict.alpha if drifted else None,
            evidence=evidence,
            minutes=minutes,
            arm=choice.arm,
            choice=choice.reason,
        )
        for choice in chosen
        for frame, minutes in _asked_frames(pool, choice.case_id, frames_per_case, acquisition.minutes)
    )


def _afforded(asked: pd.DataFrame, budget_minutes: float) -> set[str]:
    """The cases that the minutes buy, in the order of their first frame."""
    costs = asked.groupby("case_id", sort=False)["minutes"].sum()
    left, cases = budget_minutes * (1 + 1e-9), set()
    for case, cost in costs.items():
        if cost <= left:
            left -= cost
            cases.add(str(case))
    return cases


def _asked_frames(
    pool: pd.DataFrame, case_id: str, frames_per_case: int, model: MinutesModel
) -> list[tuple[dict[Hashable, Any], float]]:
    case = pool[pool["case_id"] == case_id]
    rows = case.set_index("frame_id", drop=False).loc[list(frames_of_case(case, frames_per_case))]
    return list(zip(rows.to_dict("records"), model.minutes(rows).tolist(), strict=True))


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
        minutes=float(row["minutes"]),
    )


def _of_stratum(scorecards: pd.DataFrame, stratum: Stratum | None) -> pd.DataFrame:
    if stratum is None:
        return scorecards
    return scorecards[scorecards[column_of(stratum.column)].map(value_text) == stratum.value]


def _that_moved(scorecards: pd.DataFrame, carrier: Carrier) -> pd.DataFrame:
    """The cases nearer to the window's median than to the reference's; all where the column is no number."""
    if carrier.column not in scorecards or not np.isfinite([carrier.reference, carrier.window]).all():
        return scorecards
    means = scorecards.groupby("case_id")[carrier.column].mean()
    near = means[(means - carrier.window).abs() <= (means - carrier.reference).abs()]
    return scorecards[scorecards["case_id"].isin(set(near.index))]


def _drift_evidence(verdict: DriftVerdict, stratum: Stratum | None, carrier: Carrier | None) -> str:
    channels = ", ".join(channel.name for channel in verdict.channels if channel.alarmed)
    where = (
        f"{stratum.column} {stratum.value}" if stratum else carrier.words() if carrier else "the whole window"
    )
    return f"drift of {channels} in {where}"
