"""Watch a window of new scans by its scorecards: a drift verdict, and which frames an expert should see.

Opening the requests is another operation; this one only names candidates and their evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from components.acquisition.strategies import StrategyName
from components.cohort.task import Task
from components.drift.novelty import case_novelty
from components.drift.self_test import FalseAlarmRate, replay_reference
from components.drift.verdict import DriftParams, DriftVerdict, assess_drift
from components.errors import ParameterError
from components.operations.request_candidates import (
    WATCHED,
    RequestCandidate,
    drift_candidates,
    threshold_candidates,
)
from components.operations.scoring import Scored
from components.scorecard.reference_threshold import ReferenceThreshold, reference_threshold


@dataclass(frozen=True, kw_only=True)
class MonitorParams:
    """Section ``monitor`` of params.yaml.

    Args:
        drift: when to speak of drift.
        quantile: a frame is asked about above this quantile of the reference patients' worst frames.
        budget_cases: requests name at most this many cases of a window; half of them are kept for a drift.
        frames_per_case: of each case to segment at most this many frames.
        strategy: how cases are chosen from a drifted stratum.
        neighbours: reference patients that novelty measures the distance to.
        replays: random windows of reference patients in the self-test of the alarm; 0 leaves it out.
        seed: of the strategy and the self-test.
    """

    drift: DriftParams = field(default_factory=DriftParams)
    quantile: float = 0.95
    budget_cases: int = 8
    frames_per_case: int = 2
    strategy: StrategyName = "coverage"
    neighbours: int = 5
    replays: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.frames_per_case, self.neighbours, self.budget_cases + 1, self.replays + 1)
        if not 0 < self.quantile < 1 or min(counts) < 1:
            raise ParameterError(
                expected="0 < quantile < 1, frames_per_case and neighbours >= 1, no negative number",
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
        false_alarms: the alarm's rate on the reference itself; ``None``: not asked for, or too few patients.
    """

    model_version: str
    scorecards: pd.DataFrame
    reference: pd.DataFrame
    verdict: DriftVerdict
    thresholds: tuple[ReferenceThreshold, ...]
    candidates: tuple[RequestCandidate, ...]
    failures: dict[str, str]
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
        excluded_patients: never asked about (labelled already, of the test set); nor is the reference.
    """
    scorecards, failures = scored
    known = reference if familiar is None else familiar
    scorecards = _with_novelty(known, scorecards, params.neighbours)
    verdict = assess_drift(reference, scorecards, params.drift, history=history)
    found = (reference_threshold(reference, column, params.quantile) for column in WATCHED)
    thresholds = tuple(threshold for threshold in found if threshold is not None)
    excluded = {*excluded_patients, *reference["patient_id"]}
    if task == "classification":
        params = replace(params, frames_per_case=1)  # findings belong to the whole case
    return WindowReport(
        model_version=model_version,
        scorecards=scorecards,
        reference=_with_novelty(known, reference, params.neighbours),
        verdict=verdict,
        thresholds=thresholds,
        candidates=_candidates(scorecards, verdict, thresholds, params, excluded),
        failures=failures,
        false_alarms=_self_test(reference, params),
    )


def _candidates(
    scorecards: pd.DataFrame,
    verdict: DriftVerdict,
    thresholds: tuple[ReferenceThreshold, ...],
    params: MonitorParams,
    excluded: Collection[str],
) -> tuple[RequestCandidate, ...]:
    """Unusual frames first, since their evidence is their own; half of the budget is kept for a drift."""
    kept_for_drift = -(-params.budget_cases // 2) if verdict.kind == "drift" else 0
    unusual = threshold_candidates(
        scorecards,
        thresholds,
        budget_cases=params.budget_cases - kept_for_drift,
        frames_per_case=params.frames_per_case,
        excluded_patients=excluded,
    )
    asked = {candidate.patient_id for candidate in unusual}
    drifted = drift_candidates(
        scorecards,
        verdict,
        strategy=params.strategy,
        budget_cases=params.budget_cases - len(asked),
        frames_per_case=params.frames_per_case,
        excluded_patients={*excluded, *asked},
        generator=np.random.default_rng(params.seed),
    )
    return unusual + drifted


def _with_novelty(reference: pd.DataFrame, scorecards: pd.DataFrame, neighbours: int) -> pd.DataFrame:
    if scorecards.empty:
        return scorecards.assign(novelty=pd.Series(dtype=float))
    novelty = case_novelty(reference, scorecards, neighbours=neighbours)
    return scorecards.assign(novelty=scorecards["case_id"].map(novelty).astype(float))


def _self_test(reference: pd.DataFrame, params: MonitorParams) -> FalseAlarmRate | None:
    if not params.replays:
        return None
    generator = np.random.default_rng(params.seed)
    return replay_reference(reference, params.drift, generator, replays=params.replays)
