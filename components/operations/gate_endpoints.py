"""What a gate compares beside the score: the Dice of each structure, the AUROC of each finding, and calibration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from components.cohort.task import Task
from components.metrics.weighting import Array
from components.operations.expert_frames import (
    EXPECTED_DICE,
    ExpertFrame,
    FrameScore,
    believed,
    findings_truth,
    judged_findings,
    mean_dice,
    probabilities_of,
)
from components.operations.finding_scores import MACRO, FindingScores
from components.registry.endpoints import Endpoint, mean_endpoint, ranking_endpoint
from components.registry.gate_params import GateParams
from components.registry.verdict import OVERALL


def endpoints_of(
    task: Task,
    frames: Sequence[ExpertFrame],
    champion: Sequence[FrameScore],
    challenger: Sequence[FrameScore],
    params: GateParams,
) -> tuple[Endpoint, ...]:
    """One per structure or finding of all patients; of findings also the mean AUROC of those that can be judged."""
    if task == "segmentation":
        return tuple(_structures(frames, champion, challenger, params))
    return tuple(_findings(frames, champion, challenger, params))


def calibration_error(
    task: Task, frames: Sequence[ExpertFrame], scores: Sequence[FrameScore]
) -> float | None:
    """Patients count alike. Findings: ECE, mean over those judged. Segmentation: mean |expected - true Dice|.

    ``None`` where nothing tells.
    """
    if task == "classification":
        judged = _finding_scores(frames, scores).judged()
        found = float(judged.group("ece", MACRO).value) if judged.findings else float("nan")
    else:
        gaps = [abs(float(s.get(EXPECTED_DICE, np.nan)) - mean_dice(s)) if s else np.nan for s in scores]
        known = _per_patient(frames, np.array(gaps, dtype=np.float64))
        found = float(known.mean()) if known.size else float("nan")
    return found if np.isfinite(found) else None


def _structures(
    frames: Sequence[ExpertFrame],
    champion: Sequence[FrameScore],
    challenger: Sequence[FrameScore],
    params: GateParams,
) -> Iterator[Endpoint]:
    names = dict.fromkeys(name for score in (*champion, *challenger) for name in score)
    for name in sorted(set(names) - {EXPECTED_DICE}):
        differences = _dice(challenger, champion, name) - _dice(champion, challenger, name)
        yield mean_endpoint(
            f"dice/{name}", OVERALL, _per_patient(frames, differences),
            margin=params.part_margin, enough=params.min_stratum, seed=params.seed, draws=params.draws,
        )  # fmt: skip


def _dice(scores: Sequence[FrameScore], others: Sequence[FrameScore], name: str) -> Array:
    """Of one structure; NaN where neither the expert nor the model shows it, 0 where the model failed."""
    rows = [
        score.get(name, np.nan) if score else 0.0 * other.get(name, np.nan)
        for score, other in zip(scores, others, strict=True)
    ]
    return np.array(rows, dtype=np.float64)


def _per_patient(frames: Sequence[ExpertFrame], values: Array) -> Array:
    """Means over each patient's frames that have a value, in order of the patients' names."""
    table = pd.DataFrame({"patient": [frame.patient_id for frame in frames], "value": values}).dropna()
    return np.asarray(table.groupby("patient", sort=True)["value"].mean(), dtype=np.float64)


def _findings(
    frames: Sequence[ExpertFrame],
    champion: Sequence[FrameScore],
    challenger: Sequence[FrameScore],
    params: GateParams,
) -> Iterator[Endpoint]:
    theirs, ours = _finding_scores(frames, champion), _finding_scores(frames, challenger)
    counts = {name: min(count.values()) for name, count in theirs.counts().items()}
    for name in theirs.findings:
        yield ranking_endpoint(
            f"auroc/{name}", OVERALL, ours.group("auroc", name), theirs.group("auroc", name),
            margin=params.part_margin, smaller_class=counts[name], enough=params.min_class,
            seed=params.seed, draws=params.draws,
        )  # fmt: skip
    enough = [name for name in theirs.findings if counts[name] >= params.min_class]
    if enough:
        mean_ours, mean_theirs = (scores.only(enough).group("auroc", MACRO) for scores in (ours, theirs))
        yield ranking_endpoint(
            f"auroc/{MACRO}", OVERALL, mean_ours, mean_theirs,
            margin=params.ranking_margin, smaller_class=min(counts[name] for name in enough), enough=params.min_class,
            seed=params.seed, draws=params.draws, may_win=True,
        )  # fmt: skip


def _finding_scores(frames: Sequence[ExpertFrame], scores: Sequence[FrameScore]) -> FindingScores:
    names, truth = findings_truth(frames)
    columns = judged_findings(truth)
    truth, probability = truth[:, columns], probabilities_of(names, scores)[:, columns]
    return FindingScores(
        patients=[frame.patient_id for frame in frames],
        findings=tuple(names[k] for k in columns),
        truth_nk=truth,
        probability_nk=believed(truth, probability),
        thresholds={},
    )
