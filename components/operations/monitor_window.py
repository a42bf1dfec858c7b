"""Watch a window of new scans by its scorecards: a drift verdict, and which frames an expert should see.

Opening the requests is another operation; this one only names candidates and their evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from components.acquisition.strategies import DEFAULT
from components.cohort.task import TASKS, Task
from components.drift.coverage import CoverageParams
from components.drift.novelty import case_novelty
from components.drift.self_test import FalseAlarmRate, replay_reference
from components.drift.sequential import StreamParams, StreamVerdict, follow_stream
from components.drift.verdict import DriftParams, DriftVerdict, assess_drift
from components.errors import ParameterError
from components.operations.acquire import Acquisition
from components.operations.request_candidates import (
    WATCHED,
    RequestCandidate,
    chosen_candidates,
    threshold_candidates,
)
from components.operations.scoring import Scored
from components.operations.window_quality import WindowQuality, window_quality
from components.scorecard.columns import MEASURED
from components.scorecard.reference_threshold import ReferenceThreshold, reference_threshold
from components.scorecard.window_quality import ErrorOfMeans


@dataclass(frozen=True, kw_only=True)
class MonitorParams:
    """Section ``monitor`` of params.yaml.

    Args:
        drift: when to speak of drift.
        stream: when to do so between windows, patient by patient.
        quantile: a frame is asked about above this quantile of the reference patients' worst frames.
        budget_minutes: of experts, per task, that the requests of a window may take; half is kept for a drift.
        routine_share: of the minutes of a window without drift, for cases that are merely worth learning from.
        frames_per_case: of each case to segment at most this many frames.
        strategy: how cases are chosen from a drifted stratum, and for the routine share.
        neighbours: reference patients that novelty measures the distance to.
        replays: random windows of reference patients in the self-test of the alarm; 0 leaves it out.
        seed: of the strategy and the self-test.
        coverage: when returned labels say that the model no longer keeps what it promises of its answers.
    """

    drift: DriftParams = field(default_factory=DriftParams)
    stream: StreamParams = field(default_factory=StreamParams)
    quantile: float = 0.95
    budget_minutes: dict[str, float] = field(
        default_factory=lambda: {"segmentation": 480.0, "classification": 40.0}
    )
    routine_share: float = 0.25
    frames_per_case: int = 2
    strategy: str = DEFAULT
    neighbours: int = 5
    replays: int = 0
    seed: int = 0
    coverage: CoverageParams = field(default_factory=CoverageParams)

    def __post_init__(self) -> None:
        counts = (self.frames_per_case, self.neighbours, self.replays + 1)
        within = 0 < self.quantile < 1 and 0 <= self.routine_share <= 1
        complete = set(self.budget_minutes) == set(TASKS) and min(self.budget_minutes.values()) >= 0
        if not within or not complete or min(counts) < 1:
            raise ParameterError(
                expected=(
                    "0 < quantile < 1, 0 <= routine_share <= 1, budget_minutes of both tasks, "
                    "frames_per_case and neighbours >= 1, no negative number"
                ),
                got=str(self),
                hint="the shipped section `monitor` of params.yaml",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowReport:
    """What the monitor found.

    Args:
        scorecards: one row per frame of the window, with ``novelty`` (by case; 1 = typical of the reference).
        reference: the scorecards they were judged against, with ``novelty`` among the other patients.
        failures: frames without a scorecard → why.
        acquisition: who chose, for people.
        quality: how well the model does on the window, foretold and measured.
        stream: the window patient by patient; ``None`` with too small a reference.
        false_alarms: the alarm's rate on the reference itself; ``None``: not asked for, or too few patients.
    """

    model_version: str
    scorecards: pd.DataFrame
    reference: pd.DataFrame
    verdict: DriftVerdict
    thresholds: tuple[ReferenceThreshold, ...]
    candidates: tuple[RequestCandidate, ...]
    failures: dict[str, str]
    acquisition: Acquisition
    quality: WindowQuality
    stream: StreamVerdict | None = None
    false_alarms: FalseAlarmRate | None = None


def monitor_window(
    *,
    task: Task,
    model_version: str,
    reference: pd.DataFrame,
    scored: Scored,
    params: MonitorParams,
    history: Sequence[bool] = (),
    excluded_patients: Collection[str] = (),
    familiar: pd.DataFrame | None = None,
    acquisition: Acquisition | None = None,
    errors: ErrorOfMeans | None = None,
    measured: Mapping[str, float] | None = None,
) -> WindowReport:
    """Say what is unusual about the window's scorecards.

    Args:
        task: of the model in use; ``model_version`` is its name for people.
        reference: scorecards of held-out patients, from the model's package.
        scored: of every frame of the window, by the model in use.
        params: see ``MonitorParams``.
        history: whether earlier windows of this model version raised an alarm, oldest first.
        familiar: scorecards that novelty is measured against; the reference unless given (too few patients to
            judge drift by may still be enough to rank by).
        acquisition: who chooses cases, and what is known from earlier answers; ctloop's own without any unless given.
        excluded_patients: never asked about (labelled already, of the test set); nor is the reference.
        errors: how wrong the mean of a window's predicted qualities is, from the model's package.
        measured: case_id → quality by a returned label, of cases that were drawn at random.
    """
    scorecards, failures = scored
    known = reference if familiar is None else familiar
    scorecards = _with_novelty(known, scorecards, params.neighbours)
    if measured:
        returned = scorecards["case_id"].astype(str).map(dict(measured)).astype(float)
        scorecards = scorecards.assign(**{MEASURED: returned})
    verdict = assess_drift(reference, scorecards, params.drift, history=history)
    found = (reference_threshold(reference, column, params.quantile) for column in WATCHED)
    thresholds = tuple(threshold for threshold in found if threshold is not None)
    excluded = {*excluded_patients, *reference["patient_id"]}
    if task == "classification":
        params = replace(params, frames_per_case=1)  # findings belong to the whole case
    acquisition = acquisition or Acquisition()
    return WindowReport(
        model_version=model_version,
        scorecards=scorecards,
        reference=_with_novelty(known, reference, params.neighbours),
        verdict=verdict,
        thresholds=thresholds,
        candidates=_candidates(scorecards, verdict, thresholds, params, excluded, acquisition, task),
        failures=failures,
        acquisition=acquisition,
        quality=window_quality(task, scorecards, errors, seed=params.seed),
        stream=_stream(reference, scorecards, params),
        false_alarms=_self_test(reference, params),
    )


def _candidates(
    scorecards: pd.DataFrame,
    verdict: DriftVerdict,
    thresholds: tuple[ReferenceThreshold, ...],
    params: MonitorParams,
    excluded: Collection[str],
    acquisition: Acquisition,
    task: Task,
) -> tuple[RequestCandidate, ...]:
    """Unusual frames first, since their evidence is their own; a part of the minutes is kept for the acquisition.

    After a drift that part is half, and it gets what the unusual frames leave; else it is the routine share alone.
    """
    total = params.budget_minutes[task]
    drifted = verdict.kind == "drift"
    kept = total * (0.5 if drifted else params.routine_share)
    unusual = threshold_candidates(
        scorecards,
        thresholds,
        minutes=acquisition.minutes,
        budget_minutes=total - kept,
        frames_per_case=params.frames_per_case,
        excluded_patients=excluded,
    )
    left = total - sum(candidate.minutes for candidate in unusual)
    chosen = chosen_candidates(
        acquisition,
        scorecards,
        verdict,
        budget_minutes=left if drifted else kept,
        frames_per_case=params.frames_per_case,
        excluded_patients={*excluded, *(candidate.patient_id for candidate in unusual)},
        generator=_generator(params.seed, scorecards),
    )
    return unusual + chosen


def _generator(seed: int, scorecards: pd.DataFrame) -> np.random.Generator:
    """Of the seed and the batches, so that not every batch draws the same."""
    batches = ",".join(sorted(scorecards["batch"].astype(str).unique()))
    return np.random.default_rng([seed, *batches.encode()])


def _with_novelty(reference: pd.DataFrame, scorecards: pd.DataFrame, neighbours: int) -> pd.DataFrame:
    if scorecards.empty:
        return scorecards.assign(novelty=pd.Series(dtype=float))
    novelty = case_novelty(reference, scorecards, neighbours=neighbours)
    return scorecards.assign(novelty=scorecards["case_id"].map(novelty).astype(float))


def _stream(reference: pd.DataFrame, scorecards: pd.DataFrame, params: MonitorParams) -> StreamVerdict | None:
    fresh = scorecards[~scorecards["patient_id"].isin(set(reference["patient_id"]))]
    return follow_stream(reference, fresh, params.stream) if len(fresh) else None


def _self_test(reference: pd.DataFrame, params: MonitorParams) -> FalseAlarmRate | None:
    if not params.replays:
        return None
    generator = np.random.default_rng(params.seed)
    return replay_reference(reference, params.drift, generator, replays=params.replays)
