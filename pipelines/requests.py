"""Job: show the labeling requests, and pack what an expert needs to answer them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.adapters.blosc_store import load_label_map, load_volume
from components.adapters.nifti_writer import write_nifti_labels, write_nifti_volume
from components.cohort.task import Task
from components.errors import InputError, ParameterError
from components.labeling.request import LabelingRequest, Status
from components.labeling.request_row import request_row
from components.labeling.request_store import RequestStore
from components.labeling.request_words import why
from components.volume.resample import to_native
from components.volume.volume import LabelMap, Volume
from pipelines.label_names import finding_names, label_values
from pipelines.workspace import Workspace

PreAnnotation = Callable[[LabelingRequest, Volume], LabelMap | None]


@dataclass(frozen=True, kw_only=True)
class RequestsParams:
    """Section ``requests`` of params.yaml.

    Args:
        frames_per_case: of a cine case, at most so many frames are asked for at a time.
        budget_minutes: expert time that one answer should take, per task.
        due_days: until an answer is due.
    """

    frames_per_case: int = 2
    budget_minutes: dict[str, float] = field(
        default_factory=lambda: {"segmentation": 30.0, "classification": 5.0}
    )
    due_days: int = 14

    def __post_init__(self) -> None:
        if (
            self.frames_per_case < 1
            or not 0 <= self.due_days <= 3650
            or min(self.budget_minutes.values()) < 0
        ):
            raise ParameterError(
                expected="frames_per_case >= 1, 0 <= due_days <= 3650, budget_minutes >= 0",
                got=str(self),
                hint="the shipped section `requests` of params.yaml",
            )


def list_requests(
    store: RequestStore, status: Status | None = None, task: Task | None = None
) -> list[dict[str, Any]]:
    """One JSON-able mapping per request, in the order of opening; all states unless ``status`` is given."""
    return [request_row(request) for request in store.requests(status=status, task=task)]


def requests_table(store: RequestStore, status: Status | None = None, task: Task | None = None) -> str:
    """The same for a person: one line per request, in columns."""
    shown = ("id", "status", "task", "frame", "reason", "measured", "threshold", "due")
    lines = [shown] + [tuple(_cell(row[key]) for key in shown) for row in list_requests(store, status, task)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(shown))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def export_requests(
    workspace: Workspace,
    requests: Sequence[LabelingRequest],
    *,
    pre_annotation: PreAnnotation | None = None,
) -> tuple[Path, ...]:
    """One folder per request under ``workspace.exports``; what is already packed stays as it is.

    ``pre_annotation`` gives the label map to start from, on any grid; by default the pseudo-label. It is
    brought to the frame's native grid. A request whose frame is missing is left out. Returns the folders.
    """
    draw = pre_annotation or stored_pre_annotation(workspace)
    folders = []
    for request in requests:
        folder = workspace.exports / request.id
        if not (folder / "request.json").exists():
            try:
                volume = load_volume(native_file(workspace, request))
            except InputError:
                continue
            _pack(workspace, folder, request, volume, draw)
        folders.append(folder)
    return tuple(folders)


def native_file(workspace: Workspace, request: LabelingRequest) -> Path:
    """The frame that a request asks about; of a cine case asked about as a whole, its first frame."""
    folder = workspace.ingested(request.task) / "volumes"
    exact = folder / f"{request.frame_id}.b2nd"
    frames = sorted(folder.glob(f"{request.frame_id}__phase-*.b2nd"))
    return exact if exact.exists() or not frames else frames[0]


def stored_pre_annotation(workspace: Workspace) -> PreAnnotation:
    """The pseudo-label of the request's frame."""

    def draw(request: LabelingRequest, volume: Volume) -> LabelMap | None:
        file = workspace.pseudo(request.task) / f"{request.frame_id}.b2nd"
        return load_label_map(file) if file.exists() else None

    return draw


def _pack(
    workspace: Workspace, folder: Path, request: LabelingRequest, volume: Volume, draw: PreAnnotation
) -> None:
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write_nifti_volume(unfinished / "image.nii.gz", volume)
    drawn = draw(request, volume) if request.task == "segmentation" else None
    if drawn is not None:
        write_nifti_labels(unfinished / "pre-annotation.nii.gz", to_native(drawn, volume.geometry))
    order = _order(workspace, request)
    (unfinished / "request.json").write_text(json.dumps(order, indent=1, sort_keys=True) + "\n")
    if request.task == "classification":
        header = ",".join(("case_id", *order["findings"]))
        (unfinished / "findings.csv").write_text(
            f"{header}\n{request.case_id}{',' * len(order['findings'])}\n"
        )
    (unfinished / "README.txt").write_text(_read_me(request, pre_annotated=drawn is not None))
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def _order(workspace: Workspace, request: LabelingRequest) -> dict[str, Any]:
    keys = ("id", "task", "case_id", "frame_id", "reason", "measured", "threshold", "model_version", "due")
    order = {key: getattr(request, key) for key in (*keys, "budget_minutes")}
    order["why"] = why(request)
    if request.task == "segmentation":
        return {**order, "labels": {str(value): name for value, name in label_values(workspace).items()}}
    return {**order, "findings": list(finding_names(workspace))}


def _read_me(request: LabelingRequest, *, pre_annotated: bool) -> str:
    if request.task == "classification":
        return (
            "Look at image.nii.gz and write 1 (present), 0 (absent) or nothing (unsure) under each finding "
            "in findings.csv.\n"
            "Give the table back with `ctloop labels import FOLDER` or on the page of `ctloop serve`.\n"
        )
    start = "Correct pre-annotation.nii.gz over image.nii.gz" if pre_annotated else "Draw on image.nii.gz"
    return (
        f"{start} in any editor, with the label values listed in request.json, and save on the same grid as "
        f"{request.id}.nii.gz, .nrrd, .seg.nrrd or .mha.\n"
        "Give the file back with `ctloop labels import FOLDER` or on the page of `ctloop serve`.\n"
    )


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
