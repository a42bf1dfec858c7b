"""The demo's expert: answers labeling requests from the phantoms' truth, through the same door as a person."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from components.adapters.parquet import read_parquet
from components.cohort.pseudonym import pseudonym
from components.cohort.task import Task
from components.labeling.request import LabelingRequest
from pipelines.composition import Services
from pipelines.dvc_commands import add_version
from pipelines.labels import ImportReport, import_labels
from pipelines.pseudonym_key import pseudonym_key
from pipelines.workspace import Workspace

SIMULATED = "simulated expert"


def answer(services: Services, task: Task, batches: Path) -> ImportReport:
    """Answer all open requests of ``task``; ``batches`` holds BATCH/images and BATCH-truth.

    The answers are first written to a folder, as an expert would hand them in, and then imported.
    """
    workspace = services.workspace
    asked = services.store.requests(status="open", task=task)
    folder = workspace.state / "answers-in" / task
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    scans = scan_names(workspace, task, batches)
    if task == "segmentation":
        _draw(asked, scans, batches, folder)
    else:
        _fill_in(asked, scans, batches, folder)
    return import_labels(
        workspace,
        folder,
        services.store,
        services.store,
        SIMULATED,
        add_version=partial(add_version, workspace.root),
    )


def scan_names(workspace: Workspace, task: Task, batches: Path) -> dict[str, str]:
    """frame_id → name of the phantom's scan, as only the maker of the scans can know it."""
    key = pseudonym_key(workspace)
    frames = read_parquet(workspace.prepared(task) / "frames.parquet")
    names = {
        pseudonym(key, "source", f"{batch}/images/{path.name}"): path.name.removesuffix(".nii.gz")
        for batch in frames["batch"].unique()
        for path in (batches / batch / "images").iterdir()
    }
    return {frame: names[source] for frame, source in zip(frames["frame_id"], frames["source"], strict=True)}


def _draw(asked: Sequence[LabelingRequest], scans: dict[str, str], batches: Path, folder: Path) -> None:
    for request in asked:
        truth = batches / f"{request.batch}-truth" / f"{scans[request.frame_id]}.nii.gz"
        shutil.copyfile(truth, folder / f"{request.id}.nii.gz")


def _fill_in(asked: Sequence[LabelingRequest], scans: dict[str, str], batches: Path, folder: Path) -> None:
    rows = []
    for request in asked:
        with (batches / f"{request.batch}-truth" / "findings.csv").open() as file:
            truth = {row.pop("case_id"): row for row in csv.DictReader(file)}
        rows.append({"case_id": request.case_id, **truth[scans[request.frame_id]]})
    if rows:
        with (folder / "findings.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
