"""What a gate compares beside the score: the Dice of each structure, the AUROC of each finding, and calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from components.cohort.task import Task
from components.metrics.bootstrap import Group, paired_difference
from components.metrics.pseudo_values import pseudo_values
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
from components.registry.endpoints import Endpoint
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
        known = list(_per_patient(frames, np.array(gaps, dtype=np.float64)).values())
        found = float(np.mean(known)) if known else float("nan")
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
        means = _per_patient(frames, differences)
        yield Endpoint(
            name=f"dice/{name}", stratum=OVERALL, differences=means, margin=params.part_margin,
            judged=len(means) >= params.min_stratum,
        )  # fmt: skip


def _dice(scores: Sequence[FrameScore], others: Sequence[FrameScore], name: str) -> Array:
    """Of one structure; NaN where neither the expert nor the model shows it, 0 where the model failed."""
    rows = [
        score.get(name, np.nan) if score else 0.0 * other.get(name, np.nan)
        for score, other in zip(scores, others, strict=True)
    ]
    return np.array(rows, dtype=np.float64)


def _per_patient(frames: Sequence[ExpertFrame], values: Array) -> dict[str, float]:
    """Patient → mean over the frames that have a value."""
    table = pd.DataFrame({"patient": [frame.patient_id for frame in frames], "value": values}).dropna()
    means = table.groupby("patient", sort=True)["value"].mean()
    return {str(patient): float(value) for patient, value in means.items()}


def _findings(
    frames: Sequence[ExpertFrame],
    champion: Sequence[FrameScore],
    challenger: Sequence[FrameScore],
    params: GateParams,
) -> Iterator[Endpoint]:
    theirs, ours = _finding_scores(frames, champion), _finding_scores(frames, challenger)
    counts = {name: min(count.values()) for name, count in theirs.counts().items()}
    enough = [name for name in theirs.findings if counts[name] >= params.min_class]
    for name in theirs.findings:
        one = _auroc(
            name, ours.group("auroc", name), theirs.group("auroc", name), params.part_margin, name in enough
        )
        yield dataclasses.replace(one, degrees=max(counts[name] - 1, 1))
    if enough:
        mean_ours, mean_theirs = (scores.only(enough).group("auroc", MACRO) for scores in (ours, theirs))
        macro = _auroc(MACRO, mean_ours, mean_theirs, params.ranking_margin, judged=True)
        yield dataclasses.replace(macro, may_win=True)


def _auroc(name: str, ours: Group, theirs: Group, margin: float, judged: bool) -> Endpoint:
    """By pseudo-values, which are undefined where one patient decides whether there is an AUROC at all."""
    both = Group(patients=theirs.patients, statistic=paired_difference(ours.statistic, theirs.statistic))
    values = pseudo_values(both)
    return Endpoint(
        name=f"auroc/{name}",
        stratum=OVERALL,
        differences=values,
        margin=margin,
        judged=judged and len(values) > 1,
    )


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
