"""Use case: judge a challenger against the champion on the same frozen expert frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.cohort.task import Task
from components.models.prediction import Predictor
from components.operations.expert_frames import (
    ExpertFrame,
    FrameScore,
    ScoreCache,
    patient_table,
    score_frames,
)
from components.operations.gate_endpoints import calibration_error, endpoints_of
from components.registry.gate import judge
from components.registry.gate_limits import Traits
from components.registry.gate_params import GateParams
from components.registry.ledger import Ledger
from components.registry.verdict import Verdict, finite

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A loaded package.

    Args:
        name: as in ``ctloop-segmentation/3``.
        traits: what is known of its cost before it is scored.
        lineage_gaps: see ``components.registry.lineage_check``.
    """

    name: str
    package_hash: str
    predictor: Predictor
    traits: Traits = field(default_factory=Traits)
    lineage_gaps: tuple[str, ...] = ()


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
    """``compare``, and enter the verdict in the ledger."""
    verdict = compare(
        task=task, champion=champion, challenger=challenger, frames=frames,
        training_patients=training_patients, params=params, context=context, cache=cache, progress=progress,
    )  # fmt: skip
    ledger.append("gate", challenger.name, verdict.as_json())
    return verdict


def compare(
    *,
    task: Task,
    champion: Candidate | None,
    challenger: Candidate,
    frames: Sequence[ExpertFrame],
    training_patients: Collection[str],
    params: GateParams,
    context: Mapping[str, Any] | None = None,
    cache: ScoreCache | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Score both models on ``frames`` and judge.

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
        endpoints=endpoints_of(task, frames, theirs, ours, params) if theirs is not None else (),
        traits=(
            (_traits(champion, task, frames, theirs), _traits(challenger, task, frames, ours))
            if champion is not None and theirs is not None
            else None
        ),
        lineage_gaps=challenger.lineage_gaps,
    )
    facts: dict[str, Any] = {
        "challenger": {"name": challenger.name, "package_hash": challenger.package_hash},
        "champion": champion and {"name": champion.name, "package_hash": champion.package_hash},
        "frames": len(frames),
        "frames_failed": {"challenger": _failed(ours), "champion": _failed(theirs or [])},
        **(context or {}),
    }
    return dataclasses.replace(verdict, context=finite(facts))


def _scores(
    candidate: Candidate, frames: Sequence[ExpertFrame], cache: ScoreCache, progress: Progress | None
) -> list[FrameScore]:
    return score_frames(
        candidate.predictor, frames, package_hash=candidate.package_hash, cache=cache, progress=progress
    )


def _failed(scores: Sequence[FrameScore]) -> int:
    return sum(not score for score in scores)


def _traits(
    candidate: Candidate, task: Task, frames: Sequence[ExpertFrame], scores: Sequence[FrameScore]
) -> Traits:
    return dataclasses.replace(candidate.traits, calibration=calibration_error(task, frames, scores))
