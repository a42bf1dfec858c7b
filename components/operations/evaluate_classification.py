"""Judge a classification model on held-out chest CT: ranking, decisions and calibration per finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from components.models.prediction import FramePrediction, Predictor
from components.operations.evaluation import Evaluation, IntervalParams
from components.operations.failed_scans import failed_scans, failure_reason
from components.operations.finding_scores import PROBABILITY, TRUTH, FindingScores, finding_metrics
from components.operations.finding_subgroups import finding_measure
from components.operations.scoring import score_cases
from components.operations.subgroups import subgroups
from components.volume.volume import Volume

_IDENTITY = ["frame_id", "case_id", "patient_id", "batch"]


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
    in ``metrics["findings_not_judged"]``. A scan that cannot be predicted judges nobody either: ``metrics["failed"]``
    says how many these are, why, whom they exclude and what they may hide, see ``failed_scans``.

    Args:
        frames: the held-out rows of frames.parquet.
        load: frame_id → volume.
        truth: indexed by case_id, one float column per finding, NaN = unknown.
        thresholds: finding → probability from which it is called.
        temperature: finding → what the predictor's calibration divides its logit by, to show what that changes.
        min_subgroup_patients: a smaller subgroup is named and not judged.
    """
    said: dict[str, Mapping[str, float]] = {}
    reasons: dict[str, str] = {}

    def see(frame_id: str, prediction: FramePrediction) -> None:
        said[frame_id] = prediction.probabilities

    def fail(frame_id: str, error: Exception) -> None:
        reasons[frame_id] = failure_reason(frame_id, error)

    reference = score_cases(predictor, frames, load, on_prediction=see, on_error=fail, progress=progress)
    findings = [name for name in predictor.label_names if name in truth.columns]
    known = _with_truth(frames, truth, findings)
    table = _with_probabilities(known, said, findings)
    unjudged = known[known["frame_id"].isin(list(reasons))]
    scores = FindingScores.of(table, findings, thresholds)
    judged, counts = scores.judged(), scores.counts()
    measure = finding_measure(findings, thresholds, params)
    metrics = {
        "labels": "expert",
        "patients": int(table["patient_id"].nunique()),
        "cases": len(table),
        "frames_failed": len(reasons),
        "failed": failed_scans(frames, table, unjudged, reasons, findings, thresholds),
        "findings": {name: counts[name] for name in judged.findings},
        "findings_not_judged": {name: counts[name] for name in findings if name not in judged.findings},
        "findings_unknown_to_model": _unknown(truth, table, predictor.label_names),
        **finding_metrics(judged, params),
        "before_temperature": finding_metrics(judged.before(temperature or {}), params, ("brier", "ece")),
        "subgroups": subgroups(table, frames, measure, min_patients=min_subgroup_patients),
    }
    return Evaluation(
        metrics=metrics, per_patient=table, frames=_frame_table(frames, table, reasons), reference=reference
    )


def _with_truth(frames: pd.DataFrame, truth: pd.DataFrame, findings: Sequence[str]) -> pd.DataFrame:
    """The scans with an expert's findings."""
    rows = []
    for frame in frames.sort_values("frame_id").to_dict("records"):
        case = frame["case_id"]
        if case in truth.index:
            row = {key: frame[key] for key in _IDENTITY}
            rows.append(row | {f"{TRUTH}{name}": float(truth.loc[case, name]) for name in findings})
    return pd.DataFrame(rows, columns=[*_IDENTITY, *(f"{TRUTH}{name}" for name in findings)])


def _with_probabilities(
    known: pd.DataFrame, said: Mapping[str, Mapping[str, float]], findings: Sequence[str]
) -> pd.DataFrame:
    """Those of them that were predicted."""
    table = known[known["frame_id"].isin(list(said))].reset_index(drop=True)
    columns = {
        f"{PROBABILITY}{name}": [float(said[str(frame)][name]) for frame in table["frame_id"]]
        for name in findings
    }
    return table.assign(**{name: pd.Series(values, dtype=float) for name, values in columns.items()})


def _frame_table(frames: pd.DataFrame, judged: pd.DataFrame, reasons: Mapping[str, str]) -> pd.DataFrame:
    table = frames[_IDENTITY].sort_values("frame_id", ignore_index=True)
    return table.assign(
        judged=table["frame_id"].isin(judged["frame_id"]),
        failed=table["frame_id"].isin(list(reasons)),
        reason=[reasons.get(str(frame), "") for frame in table["frame_id"]],
    )


def _unknown(truth: pd.DataFrame, judged: pd.DataFrame, label_names: Sequence[str]) -> list[str]:
    """Findings that experts name in these cases and the model does not know."""
    known = truth[truth.index.isin(judged["case_id"])].notna().any(axis=0)
    return sorted(str(name) for name in known[known].index if name not in label_names)
