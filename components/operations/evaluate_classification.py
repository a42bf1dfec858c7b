"""Judge a classification model on held-out chest CT: ranking, decisions and calibration per finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.metrics.calibration import brier, ece
from components.metrics.macro import FindingMetric, mean_over_findings
from components.metrics.ranking import auroc, average_precision
from components.metrics.thresholding import f1
from components.metrics.weighting import Array
from components.models.prediction import FramePrediction, Predictor
from components.operations.evaluation import Evaluation, IntervalParams, interval_of
from components.operations.scoring import score_cases
from components.volume.volume import Volume

TRUTH, PROBABILITY = "truth_", "probability_"


def evaluate_classification(
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    truth: pd.DataFrame,
    thresholds: Mapping[str, float],
    params: IntervalParams,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict each scan once; judge those with an expert's findings, score all.

    Args:
        frames: the held-out rows of frames.parquet.
        load: frame_id → volume.
        truth: indexed by case_id, one float column per finding, NaN = unknown.
        thresholds: finding → probability from which it is called.
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
    metrics = {
        "labels": "expert",
        "patients": int(table["patient_id"].nunique()),
        "cases": len(table),
        "frames_failed": len(failed),
        **finding_metrics(table, findings, thresholds, params),
    }
    return Evaluation(metrics=metrics, per_patient=table, frames=table, reference=reference)


def finding_metrics(
    table: pd.DataFrame, findings: Sequence[str], thresholds: Mapping[str, float], params: IntervalParams
) -> dict[str, Any]:
    """Each metric per finding and as ``macro``, the mean over the findings for which it is defined."""
    truth, probability = truth_of(table, findings), probability_of(table, findings)
    patients = table["patient_id"].tolist()
    result: dict[str, Any] = {}
    ranking: dict[str, FindingMetric] = {
        "auroc": auroc,
        "average_precision": average_precision,
        "brier": brier,
        "ece": ece,
    }
    for name, metric in ranking.items():
        by_finding = dict.fromkeys(findings, metric)
        result[name] = _intervals(by_finding, truth, probability, patients, params)
    result["f1"] = _intervals(
        {finding: _f1_at(thresholds.get(finding, 0.5)) for finding in findings},
        truth,
        probability,
        patients,
        params,
    )
    return result


def truth_of(table: pd.DataFrame, findings: Sequence[str]) -> Array:
    """``(cases, findings)``; NaN = unknown."""
    return np.asarray(table[[f"{TRUTH}{name}" for name in findings]], dtype=np.float64)


def probability_of(table: pd.DataFrame, findings: Sequence[str]) -> Array:
    """``(cases, findings)``."""
    return np.asarray(table[[f"{PROBABILITY}{name}" for name in findings]], dtype=np.float64)


def _intervals(
    metrics: Mapping[str, FindingMetric],
    truth: Array,
    probability: Array,
    patients: Sequence[str],
    params: IntervalParams,
) -> dict[str, Any]:
    def column(k: int, metric: FindingMetric) -> Callable[[Array], Array]:
        return lambda weight: metric(truth[:, k], probability[:, k], weight)

    statistics = [column(k, metric) for k, metric in enumerate(metrics.values())]
    result = {
        name: interval_of(patients, statistic, params)
        for name, statistic in zip(metrics, statistics, strict=True)
    }
    if not statistics:
        return result

    def mean(weight: Array) -> Array:
        return mean_over_findings(np.stack([statistic(weight) for statistic in statistics], axis=-1))

    return {"macro": interval_of(patients, mean, params), **result}


def _f1_at(threshold: float) -> FindingMetric:
    return lambda truth, probability, weight: f1(truth, probability, threshold, weight)


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
        row = {key: frame[key] for key in ("frame_id", "case_id", "patient_id", "batch")}
        row |= {f"{TRUTH}{name}": float(truth.loc[case, name]) for name in findings}
        row |= {f"{PROBABILITY}{name}": float(probabilities[name]) for name in findings}
        rows.append(row)
    columns = ["frame_id", "case_id", "patient_id", "batch"]
    columns += [f"{prefix}{name}" for prefix in (TRUTH, PROBABILITY) for name in findings]
    return pd.DataFrame(rows, columns=columns)
