"""Use case: judge a challenger against the champion on the same frozen expert frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.cohort.task import Task
from components.metrics.bootstrap import Group, bootstrap_interval, paired_difference
from components.models.prediction import Predictor
from components.operations.expert_frames import (
    ExpertFrame,
    FrameScore,
    ScoreCache,
    findings_truth,
    patient_table,
    probabilities_of,
    score_frames,
)
from components.operations.finding_scores import MACRO, FindingScores
from components.registry.gate import GateParams, judge
from components.registry.ledger import Ledger
from components.registry.verdict import Verdict, finite

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A loaded package: ``name`` as in ``ctloop-segmentation/3``, and its hash."""

    name: str
    package_hash: str
    predictor: Predictor


def run_gate(
    *,
    task: Task,
    champion: Candidate | None,
    challenger: Candidate,
    frames: Sequence[ExpertFrame],
    training_patients: Collection[str],
    params: GateParams,
    ledger: Ledger,
    context: Mapping[str, Any] | None = None,
    cache: ScoreCache | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Score both models on ``frames``, judge, and enter the verdict in the ledger.

    Args:
        frames: held-out frames with expert truth; pseudo-labels never judge.
        training_patients: patients that either model was trained on.
        context: JSON-able; what else was read, by hash.
        cache: scores of earlier gates; filled with the new ones.
    """
    cache = {} if cache is None else cache
    ours = _scores(challenger, frames, cache, progress)
    theirs = _scores(champion, frames, cache, progress) if champion is not None else None
    verdict = judge(
        patient_table(task, frames, theirs) if theirs is not None else None,
        patient_table(task, frames, ours),
        training_patients=training_patients,
        unjudged_patients={f.patient_id for f, score in zip(frames, theirs or (), strict=False) if not score},
        params=params,
    )
    facts: dict[str, Any] = {
        "challenger": {"name": challenger.name, "package_hash": challenger.package_hash},
        "champion": champion and {"name": champion.name, "package_hash": champion.package_hash},
        "frames": len(frames),
        "frames_failed": {"challenger": _failed(ours), "champion": _failed(theirs or [])},
        **(context or {}),
    }
    if task == "classification" and theirs is not None:
        facts["macro_auroc_difference"] = _auroc_difference(frames, ours, theirs, params)
    verdict = dataclasses.replace(verdict, context=finite(facts))
    ledger.append("gate", challenger.name, verdict.as_json())
    return verdict


def _scores(
    candidate: Candidate, frames: Sequence[ExpertFrame], cache: ScoreCache, progress: Progress | None
) -> list[FrameScore]:
    return score_frames(
        candidate.predictor, frames, package_hash=candidate.package_hash, cache=cache, progress=progress
    )


def _failed(scores: Sequence[FrameScore]) -> int:
    return sum(not score for score in scores)


def _auroc_difference(
    frames: Sequence[ExpertFrame],
    ours: Sequence[FrameScore],
    theirs: Sequence[FrameScore],
    params: GateParams,
) -> dict[str, float]:
    """Challenger - champion with a two-sided interval; reported, not judged."""
    names, truth = findings_truth(frames)

    def macro_auroc(scores: Sequence[FrameScore]) -> Group:
        probability = np.nan_to_num(probabilities_of(names, scores))
        patients = [frame.patient_id for frame in frames]
        return FindingScores(
            patients=patients, findings=names, truth_nk=truth, probability_nk=probability, thresholds={}
        ).group("auroc", MACRO)

    first, second = macro_auroc(ours), macro_auroc(theirs)
    interval = bootstrap_interval(
        first.patients,
        paired_difference(first.statistic, second.statistic),
        seed=params.seed,
        draws=params.draws,
        level=1.0 - 2.0 * params.alpha,
    )
    return dataclasses.asdict(interval)
