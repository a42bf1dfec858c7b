"""What answered requests tell of the acquisition: how long they took, and how wrong the model was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from components.acquisition.arm_verdict import ArmAnswer
from components.adapters.parquet import read_parquet
from components.cohort.labels import LabelSidecar
from components.cohort.task import Task
from components.errors import CtloopError
from components.labeling.request import LabelingRequest
from components.labeling.request_store import RequestStore
from components.metrics.overlap import dice_per_structure
from components.registry.ledger import Ledger
from components.scorecard.columns import OUTPUT
from components.volume.volume import LabelMap
from pipelines.workspace import Workspace


def answered_minutes(workspace: Workspace, task: Task, store: RequestStore) -> pd.DataFrame:
    """One row per answered frame whose reader told the ``minutes``, oldest first; with its scorecard if known."""
    told = [
        {"frame_id": request.frame_id, "minutes": sidecar.minutes}
        for request in _answered(store, task)
        if (sidecar := _sidecar(workspace, request)) is not None and sidecar.minutes is not None
    ]
    table = pd.DataFrame(told, columns=["frame_id", "minutes"])
    files = sorted((workspace.reports / "monitor").glob(f"{task}-*/scorecards.parquet"))
    seen = [read_parquet(file) for file in files]
    if table.empty or not seen:
        return table
    scorecards = pd.concat(seen).drop_duplicates("frame_id", keep="last")
    return table.merge(scorecards.drop(columns="minutes", errors="ignore"), on="frame_id", how="left")


def measured_answers(
    workspace: Workspace, task: Task, store: RequestStore, ledger: Ledger
) -> tuple[list[ArmAnswer], dict[str, float]]:
    """The answers to requests of either arm, oldest first; and request → error of those not measured before.

    The error is 1 - mean Dice between the prediction that was handed out and the answer (classification: the mean
    Brier score of the findings). Where the prediction is gone it is NaN. An answer is measured once: the ledger
    remembers it, since a later model may have learned from it. Untold minutes are taken as what the request allowed.
    """
    known = {
        request: float("nan") if error is None else float(error)
        for entry in ledger.entries("acquisition")
        if entry.subject == task
        for request, error in entry.payload["answers"].items()
    }
    answers, new = [], {}
    for request in _answered(store, task):
        sidecar = _sidecar(workspace, request)
        if request.arm is None or sidecar is None:
            continue
        if request.id not in known:
            known[request.id] = new[request.id] = measured_error(workspace, request)
        answers.append(
            ArmAnswer(
                patient_id=request.patient_id,
                arm=request.arm,
                error=known[request.id],
                minutes=request.budget_minutes if sidecar.minutes is None else sidecar.minutes,
            )
        )
    return answers, new


def measured_error(workspace: Workspace, request: LabelingRequest) -> float:
    """How wrong the model was about an answered request, in [0, 1]; NaN where that can no longer be said."""
    try:
        if request.task == "segmentation":
            return _segmentation_error(workspace, request)
        return _classification_error(workspace, request)
    except (CtloopError, OSError, ValueError, KeyError):  # what was handed out is gone or was changed
        return float("nan")


def _answered(store: RequestStore, task: Task) -> list[LabelingRequest]:
    found = store.requests(status="answered", task=task)
    return sorted(found, key=lambda request: (request.answered_at or "", request.id))


def _answer_name(request: LabelingRequest) -> str:
    return request.frame_id if request.task == "segmentation" else request.case_id


def _sidecar(workspace: Workspace, request: LabelingRequest) -> LabelSidecar | None:
    """Of the answer to this very request; ``None`` when another one took its place."""
    file = workspace.answers(request.task) / f"{_answer_name(request)}.sidecar.json"
    if not file.is_file():
        return None
    sidecar = LabelSidecar.from_json(file.read_text())
    return sidecar if sidecar.request_id == request.id else None


def _segmentation_error(workspace: Workspace, request: LabelingRequest) -> float:
    from components.adapters.answer_files import read_drawn_label_map
    from components.adapters.blosc_store import load_label_map
    from components.labeling.native_grid import onto_grid

    answer = load_label_map(workspace.answers("segmentation") / f"{request.frame_id}.b2nd")
    drawn = read_drawn_label_map(workspace.exports / request.id / "pre-annotation.nii.gz")
    labels = onto_grid(drawn, answer.geometry).astype(np.uint8)
    predicted = LabelMap(labels=labels, geometry=answer.geometry, names=answer.names)
    scores = np.array(list(dice_per_structure(predicted, answer).values()))
    known = scores[np.isfinite(scores)]
    return float(1.0 - known.mean()) if len(known) else 0.0


def _classification_error(workspace: Workspace, request: LabelingRequest) -> float:
    folder = workspace.reports / "monitor" / f"{request.task}-{request.batch}"
    if _model_of(folder) != request.model_version:
        return float("nan")
    answer = json.loads((workspace.answers("classification") / f"{request.case_id}.json").read_text())
    cards = read_parquet(folder / "scorecards.parquet")
    predicted = cards[cards["case_id"] == request.case_id].mean(numeric_only=True)
    off = [
        (float(predicted[OUTPUT + name]) - truth) ** 2
        for name, truth in answer.items()
        if truth is not None and OUTPUT + name in predicted
    ]
    return float(np.mean(off)) if off else float("nan")


def _model_of(folder: Path) -> str:
    return str(json.loads((folder / "verdict.json").read_text())["model_version"])
