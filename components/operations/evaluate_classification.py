"""Judge a classification model on held-out chest CT: ranking, decisions and calibration per finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from components.models.prediction import FramePrediction, Predictor
from components.operations.evaluation import Evaluation, IntervalParams
from components.operations.finding_scores import (
    MACRO,
    PROBABILITY,
    TRUTH,
    FindingScores,
    finding_metrics,
)
from components.operations.scoring import score_cases
from components.operations.subgroups import Measure, subgroups
from components.volume.volume import Volume

_IDENTITY = ["frame_id", "case_id", "patient_id", "batch"]
# of a subgroup: those that do not follow how many of its patients have a finding
SUBGROUP_METRICS = ("auroc", "sensitivity", "specificity", "ece")


def evaluate_classification(
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    truth: pd.DataFrame,
    thresholds: Mapping[str, float],
    params: IntervalParams,
    *,
    temperature: Mapping[str, float] | None = None,
    min_subgroup_patients: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict each scan once; judge those with an expert's findings, score all.

    A finding with fewer than two patients with it, or without it, judges nobody: it is named, with their numbers,
    in ``metrics["findings_not_judged"]``.

    Args:
        frames: the held-out rows of frames.parquet.
        load: frame_id → volume.
        truth: indexed by case_id, one float column per finding, NaN = unknown.
        thresholds: finding → probability from which it is called.
        temperature: finding → what the predictor's calibration divides its logit by, to show what that changes.
        min_subgroup_patients: a smaller subgroup is named and not judged.
    """
    said: dict[str, Mapping[str, float]] = {}
    failed: list[str] = []

    def see(frame_id: str, prediction: FramePrediction) -> None:
        said[frame_id] = prediction.probabilities

    def fail(frame_id: str, error: Exception) -> None:
        failed.append(frame_id)

    reference = score_cases(predictor, frames, load, on_prediction=see, on_error=fail, progress=progress)
    findings = [name for name in predictor.label_names if name in truth.columns]
    table = _case_table(said, frames, truth, findings)
    scores = FindingScores.of(table, findings, thresholds)
    judged, counts = scores.judged(), scores.counts()
    measure = _subgroup_measure(findings, thresholds, params)
    metrics = {
        "labels": "expert",
        "patients": int(table["patient_id"].nunique()),
        "cases": len(table),
        "frames_failed": len(failed),
        "findings": {name: counts[name] for name in judged.findings},
        "findings_not_judged": {name: counts[name] for name in findings if name not in judged.findings},
        "findings_unknown_to_model": _unknown(truth, table, predictor.label_names),
        **finding_metrics(judged, params),
        "before_temperature": finding_metrics(judged.before(temperature or {}), params, ("brier", "ece")),
        "subgroups": subgroups(table, frames, measure, min_patients=min_subgroup_patients),
    }
    return Evaluation(
        metrics=metrics, per_patient=table, frames=_frame_table(frames, table, failed), reference=reference
    )


def _subgroup_measure(
    findings: Sequence[str], thresholds: Mapping[str, float], params: IntervalParams
) -> Measure:
    def measure(rows: pd.DataFrame) -> dict[str, Any]:
        """Over the findings that can be judged in this very group."""
        scores = FindingScores.of(rows, findings, thresholds).judged()
        metrics = finding_metrics(scores, params, SUBGROUP_METRICS, means_only=True)
        return {"findings": len(scores.findings), **{name: metrics[name].get(MACRO) for name in metrics}}

    return measure


def _case_table(
    said: Mapping[str, Mapping[str, float]],
    frames: pd.DataFrame,
    truth: pd.DataFrame,
    findings: Sequence[str],
) -> pd.DataFrame:
    rows = []
    for frame in frames.sort_values("frame_id").to_dict("records"):
        probabilities, case = said.get(str(frame["frame_id"])), frame["case_id"]
        if probabilities is None or case not in truth.index:
            continue
        row = {key: frame[key] for key in _IDENTITY}
        row |= {f"{TRUTH}{name}": float(truth.loc[case, name]) for name in findings}
        row |= {f"{PROBABILITY}{name}": float(probabilities[name]) for name in findings}
        rows.append(row)
    columns = [f"{prefix}{name}" for prefix in (TRUTH, PROBABILITY) for name in findings]
    return pd.DataFrame(rows, columns=[*_IDENTITY, *columns])


def _frame_table(frames: pd.DataFrame, judged: pd.DataFrame, failed: Sequence[str]) -> pd.DataFrame:
    table = frames[_IDENTITY].sort_values("frame_id", ignore_index=True)
    return table.assign(
        judged=table["frame_id"].isin(judged["frame_id"]), failed=table["frame_id"].isin(list(failed))
    )


def _unknown(truth: pd.DataFrame, judged: pd.DataFrame, label_names: Sequence[str]) -> list[str]:
    """Findings that experts name in these cases and the model does not know."""
    known = truth[truth.index.isin(judged["case_id"])].notna().any(axis=0)
    return sorted(str(name) for name in known[known].index if name not in label_names)
