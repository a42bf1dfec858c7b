"""Validation patients of a workspace, and what its model scores on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from components.cohort.split import Split
from components.cohort.task import Task
from components.cohort.validation import validation_patients
from components.volume.volume import Volume
from pipelines.evaluate_params import EvaluateParams
from pipelines.held_out import expert_findings, expert_label_map, frames_of, labelled_frames
from pipelines.params import load_section
from pipelines.progress import bar
from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Score:
    """``metric`` as ``evaluate`` names it; value and interval are ``None`` where nothing could be judged."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    patients: int


Judge = Callable[[Workspace, Task, pd.DataFrame], Score]
"""(workspace with a trained model, task, frames) → its score on them."""


def judging_frames(workspace: Workspace, task: Task, share: float) -> pd.DataFrame:
    """The frames of those of the validation patients whom an expert's label can judge."""
    split = Split.from_json(workspace.split(task).read_text())
    frames = frames_of(workspace, task, "train")
    frames = frames[frames["patient_id"].isin(validation_patients(split, share))]
    name = "frame_id" if task == "segmentation" else "case_id"
    judged = frames[frames[name].isin(labelled_frames(workspace, task))]["patient_id"]
    return frames[frames["patient_id"].isin(judged)].reset_index(drop=True)


def validation_score(workspace: Workspace, task: Task, frames: pd.DataFrame) -> Score:
    """Mean Dice, or macro AUROC, of ``models/TASK`` against the experts' labels of ``frames``, as ``evaluate`` has it.

    A classifier has no temperatures and thresholds yet, which no ranking depends on.
    """
    section, name = ("dice", "mean") if task == "segmentation" else ("auroc", "macro")
    measure = _segmentation if task == "segmentation" else _classification
    found = (measure(workspace, frames).get(section) or {}).get(name) or {}
    return Score(
        metric=f"{section}/{name}",
        value=found.get("value"),
        low=found.get("low"),
        high=found.get("high"),
        patients=int(found.get("patients") or 0),
    )


def _segmentation(workspace: Workspace, frames: pd.DataFrame) -> Mapping[str, Any]:
    from components.models.package import load_predictor
    from components.operations.evaluate_segmentation import evaluate_segmentation

    params = load_section(EvaluateParams, workspace.params, "evaluate", "segmentation")
    return evaluate_segmentation(
        load_predictor(workspace.model("segmentation")),
        frames,
        _load(workspace, "segmentation"),
        expert_label_map(workspace),
        params.intervals,
        surface_tolerance_mm=params.surface_tolerance_mm,
        min_subgroup_patients=params.min_subgroup_patients,
        progress=bar("validate segmentation"),
    ).metrics


def _classification(workspace: Workspace, frames: pd.DataFrame) -> Mapping[str, Any]:
    from components.models.package import load_predictor
    from components.operations.evaluate_classification import evaluate_classification

    params = load_section(EvaluateParams, workspace.params, "evaluate", "classification")
    return evaluate_classification(
        load_predictor(workspace.model("classification")),
        frames,
        _load(workspace, "classification"),
        expert_findings(workspace),
        {},
        params.intervals,
        min_subgroup_patients=params.min_subgroup_patients,
        progress=bar("validate classification"),
    ).metrics


def _load(workspace: Workspace, task: Task) -> Callable[[str], Volume]:
    from components.adapters.blosc_store import load_volume

    folder = workspace.prepared(task) / "frames"

    def load(frame: str) -> Volume:
        return load_volume(folder / f"{frame}.b2nd")

    return load
