"""The data of an external test: a batch of the workspace, or a folder that stays outside of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.adapters.parquet import read_parquet
from components.cohort.labels import LabelSidecar
from components.cohort.split import Split
from components.cohort.task import Task
from components.errors import ParameterError, StateError
from pipelines.external_source import prepared_beside
from pipelines.held_out import labelled_frames
from pipelines.workspace import Workspace

_LABEL_COLUMNS: Mapping[Task, str] = {
    "segmentation": "the columns labels and label_values of cases.csv",
    "classification": "a column of 0 and 1 for each finding in cases.csv",
}


@dataclass(frozen=True, kw_only=True)
class ExternalData:
    """Where the other site's scans are: a batch of the workspace, or a folder that stays outside.

    Args:
        batch: of the workspace; excludes ``source``.
        source, cases: as for ``ctloop add``.
    """

    batch: str | None = None
    source: Path | None = None
    cases: Path | None = None

    def __post_init__(self) -> None:
        if (self.batch is None) == (self.source is None):
            raise ParameterError(
                expected="--batch NAME or --source DIR",
                got="both" if self.batch else "neither",
                hint="--source, which keeps the scans out of every training",
            )
        if self.batch is not None and self.cases is not None:
            raise ParameterError(
                expected="--cases beside --source",
                got="beside --batch, whose labels are known",
                hint="leaving it out",
            )

    @property
    def title(self) -> str:
        """What the report calls it; a folder's own name may name people."""
        return f"batch {self.batch}" if self.batch else "an outside folder"


@contextmanager
def prepared_data(workspace: Workspace, task: Task, data: ExternalData) -> Iterator[tuple[Workspace, str]]:
    """The workspace that holds the prepared data, and a hash of that data."""
    if data.source is not None:
        with prepared_beside(workspace, task, data.source, data.cases) as found:
            yield found
        return
    frames = frames_table(workspace, task)
    chosen = frames[frames["batch"] == data.batch]
    yield (
        workspace,
        hash_of(dict(zip(chosen["frame_id"], chosen.get("sha256", chosen["frame_id"]), strict=True))),
    )


def frames_table(workspace: Workspace, task: Task) -> pd.DataFrame:
    """Empty where nothing was ever prepared."""
    path = workspace.prepared(task) / "frames.parquet"
    columns = ["frame_id", "case_id", "patient_id", "batch", "sha256"]
    return read_parquet(path) if path.is_file() else pd.DataFrame(columns=columns)


def labelled_cases(home: Workspace, task: Task, data: ExternalData) -> pd.DataFrame:
    """Every frame of each case that an expert labelled, or at least one frame of it."""
    table = frames_table(home, task)
    frames = table[table["batch"] == data.batch] if data.batch else table
    if frames.empty:
        raise StateError(
            expected=f"prepared frames of {data.title}",
            got=", ".join(sorted(set(table["batch"]))) or "no frames",
            hint="`ctloop add` and `ctloop split`, or --source DIR",
        )
    labelled = frames[["frame_id", "case_id"]].isin(list(labelled_frames(home, task))).any(axis=1)
    cases = frames[labelled]["case_id"]
    if cases.empty:
        refused = [item["reason"] for item in left_out(home, task, data)]
        raise StateError(
            expected=f"expert labels in {data.title}",
            got=f"none for {len(frames)} frames" + (f"; left out: {refused[0]}" if refused else ""),
            hint=_LABEL_COLUMNS[task],
        )
    return frames[frames["case_id"].isin(cases)].reset_index(drop=True)


def label_hashes(home: Workspace, task: Task, frames: pd.DataFrame) -> dict[str, str]:
    """Frame, or case of a classification, → hash of its expert label."""
    folder = home.labels(task)
    labelled = sorted((set(frames["frame_id"]) | set(frames["case_id"])) & labelled_frames(home, task))
    sidecars = {name: (folder / f"{name}.sidecar.json").read_text() for name in labelled}
    return {name: LabelSidecar.from_json(text).label_sha256 for name, text in sidecars.items()}


def left_out(home: Workspace, task: Task, data: ExternalData) -> list[dict[str, str]]:
    """``what`` and ``reason`` of each file, frame and label of the data that ingest or prepare quarantined."""
    ingested = home.ingested(task)
    path = ingested / "frames.parquet"
    table = read_parquet(path) if path.is_file() else pd.DataFrame(columns=["frame_id", "case_id", "batch"])
    batches = {
        name: batch
        for key in ("case_id", "frame_id")
        for name, batch in zip(table[key], table["batch"], strict=True)
    }
    files = [{**item, "what": f"scan {item['source']}"} for item in _items(ingested)]
    frames = [
        {**item, "what": f"{item['what']} {item['frame_id']}", "batch": batches.get(item["frame_id"], "")}
        for item in _items(home.prepared(task))
    ]
    return [
        {"what": item["what"], "reason": item["reason"]}
        for item in (*files, *frames)
        if data.batch in (None, item["batch"])
    ]


def _items(folder: Path) -> list[dict[str, str]]:
    path = folder / "quarantine.json"
    items: list[dict[str, str]] = json.loads(path.read_text()) if path.is_file() else []
    return items


def whether_it_may_train(home: Workspace, task: Task, data: ExternalData, frames: pd.DataFrame) -> str:
    """A batch of the workspace is split like any other."""
    if data.source is not None:
        return "These scans are in no batch of this workspace: nothing will train on them."
    path, patients = home.split(task), set(frames["patient_id"])
    frozen = set(Split.from_json(path.read_text()).patients("test")) if path.is_file() else set()
    teaching = patients - frozen
    if not teaching:
        return "From here on: every patient is on the test side of this workspace's split, and never trains."
    return (
        f"From here on: {len(teaching)} of {len(patients)} patients are not on the test side of this workspace's "
        "split, and a later training may use them. --source DIR keeps a site outside."
    )


def hash_of(content: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(content), sort_keys=True).encode()).hexdigest()
