"""Stage: judge the trained model on the held-out patients, with expert labels only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.cohort.task import Task
from components.models.known_quality import QUALITY_FILE
from components.models.prediction import FramePrediction, Predictor, frame_by_frame
from components.operations.calibrate import CalibrationFit, calibrate
from components.operations.evaluation import Evaluation
from components.operations.expert_frames import probabilities_of
from components.operations.learn_quality import learn_quality
from components.volume.volume import Volume
from pipelines.classification_report import JudgedClassifier
from pipelines.evaluate_params import EvaluateParams
from pipelines.evaluation_figures import classification_figures, segmentation_figures
from pipelines.held_out import expert_findings, frames_of
from pipelines.judge_classification import judge_classification
from pipelines.judge_segmentation import judge_segmentation
from pipelines.params import load_section
from pipelines.progress import say, write_json
from pipelines.segmentation_report import JudgedModel
from pipelines.stage_command import run_stage
from pipelines.whole_folder import whole_folder
from pipelines.workspace import Workspace

Load = Callable[[str], Volume]


def evaluate(workspace: Workspace, task: Task) -> None:
    """Write metrics, per-patient values, calibration, the drift reference, figures and report of ``models/TASK``."""
    from components.adapters.blosc_store import load_volume
    from components.models.package import load_predictor

    params = load_section(EvaluateParams, workspace.params, "evaluate", task)
    frames = frames_of(workspace, task, "test")
    folder = workspace.prepared(task) / "frames"
    predictor = load_predictor(workspace.model(task))

    def load(frame: str) -> Volume:
        return load_volume(folder / f"{frame}.b2nd")

    evaluate_task = _segmentation if task == "segmentation" else _classification
    with whole_folder(workspace.evaluation(task)) as unfinished:
        evaluation, calibration = evaluate_task(workspace, predictor, frames, load, params, unfinished)
        evaluation.per_patient.to_parquet(unfinished / "per_patient.parquet", index=False)
        write_json(unfinished / "calibration.json", calibration)
        learned = learn_quality(task, evaluation, calibration["thresholds"])
        learned.reference.to_parquet(unfinished / "reference.parquet", index=False)
        write_json(unfinished / QUALITY_FILE, learned.known.as_json())
    write_json(workspace.metrics(task), {"task": task, **evaluation.metrics})
    say(f"evaluate: {_headline(task, evaluation)}")
    say(f"  {learned.known.words}")
    if failed := evaluation.metrics["frames_failed"]:
        say(
            f"  {failed} of {len(evaluation.reference) + failed} frames could not be predicted: see the report"
        )


def _segmentation(
    workspace: Workspace,
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Load,
    params: EvaluateParams,
    folder: Path,
) -> tuple[Evaluation, dict[str, Any]]:
    judged = judge_segmentation(workspace, predictor, frames, load, params, title="evaluate segmentation")
    segmentation_figures(folder / "figures", judged)
    _write_report(folder, judged, params, heading="Segmentation on held-out patients")
    return judged.evaluation, {"temperature": {}, "thresholds": {}, "source": "none: label maps are hard"}


def _classification(
    workspace: Workspace,
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Load,
    params: EvaluateParams,
    folder: Path,
) -> tuple[Evaluation, dict[str, Any]]:
    fit = _calibrate(workspace, predictor, expert_findings(workspace), load, params)
    calibrated, calibration = _with_calibration(predictor, fit), fit.as_json()
    judged = judge_classification(
        workspace, calibrated, frames, load, params, calibration, title="evaluate classification"
    )
    classification_figures(folder / "figures", judged, params.intervals)
    _write_report(folder, judged, params, heading="Findings in chest CT on held-out patients")
    return judged.evaluation, calibration


def _write_report(
    folder: Path, judged: JudgedModel | JudgedClassifier, params: EvaluateParams, *, heading: str
) -> None:
    judged.write_report(
        folder / "report", heading=heading, eyebrow="ctloop evaluate", params=params.intervals
    )


def _calibrate(
    workspace: Workspace, predictor: Predictor, truth: pd.DataFrame, load: Load, params: EvaluateParams
) -> CalibrationFit:
    """From one scan each of training patients: the held-out ones must stay unseen by anything that they judge.

    A scan that cannot be predicted calibrates nothing.
    """
    frames = frames_of(workspace, "classification", "train").sort_values("frame_id", ignore_index=True)
    frames = frames[frames["case_id"].isin(truth.index)]
    drawn = frames.sample(frac=1.0, random_state=params.seed).drop_duplicates("patient_id")
    chosen = drawn.head(params.calibration_cases)
    findings = [name for name in predictor.label_names if name in truth.columns]
    answers = frame_by_frame(predictor.predict, (partial(load, str(frame)) for frame in chosen["frame_id"]))
    said = {place: answer for place, answer in answers if isinstance(answer, FramePrediction)}
    if len(said) < len(chosen):
        say(
            f"  {len(chosen) - len(said)} of {len(chosen)} training scans could not be predicted to calibrate on"
        )
    known = truth.reindex(chosen["case_id"].iloc[list(said)])[findings].to_numpy(np.float64)
    return calibrate(
        findings, known, probabilities_of(findings, [answer.probabilities for answer in said.values()]),
        seen_in_training=True, rule=params.threshold_rule, target=params.threshold_target,
    )  # fmt: skip


def _with_calibration(predictor: Any, fit: CalibrationFit) -> Predictor:
    """The same network, as its package will be loaded."""
    from components.models.classification_predictor import Calibration

    calibration = Calibration.of(predictor.label_names, fit.temperature, fit.thresholds)
    calibrated: Predictor = dataclasses.replace(predictor, calibration=calibration)
    return calibrated


def _headline(task: Task, evaluation: Evaluation) -> str:
    name, key = ("dice", "mean") if task == "segmentation" else ("auroc", "macro")
    item = evaluation.metrics.get(name, {}).get(key)
    if item is None or item["value"] is None:
        return (
            f"no held-out patient whom an expert's label can judge; {len(evaluation.reference)} frames scored"
        )
    low, high = (f"{item[end]:.3f}" if item[end] is not None else "?" for end in ("low", "high"))
    return f"{key} {name} {item['value']:.3f} ({low} to {high}), {item['patients']} patients"


if __name__ == "__main__":
    run_stage(evaluate)
