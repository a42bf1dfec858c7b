"""The data of an external test: a batch of the workspace, or a folder that stays outside of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.cohort.labels import LabelSidecar
from components.cohort.split import Split
from components.cohort.task import Task
from components.errors import ParameterError, StateError
from pipelines.external_source import prepared_beside
from pipelines.held_out import labelled_frames
from pipelines.workspace import Workspace

TASK: Task = "segmentation"


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
def prepared_data(workspace: Workspace, data: ExternalData) -> Iterator[tuple[Workspace, str]]:
    """The workspace that holds the prepared data, and a hash of that data."""
    if data.source is not None:
        with prepared_beside(workspace, data.source, data.cases) as found:
            yield found
        return
    frames = frames_table(workspace)
    chosen = frames[frames["batch"] == data.batch]
    yield (
        workspace,
        hash_of(dict(zip(chosen["frame_id"], chosen.get("sha256", chosen["frame_id"]), strict=True))),
    )


def frames_table(workspace: Workspace) -> pd.DataFrame:
    """Empty where nothing was ever prepared."""
    path = workspace.prepared(TASK) / "frames.parquet"
    columns = ["frame_id", "case_id", "patient_id", "batch", "sha256"]
    return pd.read_parquet(path) if path.is_file() else pd.DataFrame(columns=columns)


def labelled_cases(home: Workspace, data: ExternalData) -> pd.DataFrame:
    """Every frame of each case that an expert labelled at least one frame of."""
    table = frames_table(home)
    frames = table[table["batch"] == data.batch] if data.batch else table
    if frames.empty:
        raise StateError(
            expected=f"prepared frames of {data.title}",
            got=", ".join(sorted(set(table["batch"]))) or "no frames",
            hint="`ctloop add` and `ctloop split`, or --source DIR",
        )
    cases = frames[frames["frame_id"].isin(list(labelled_frames(home, TASK)))]["case_id"]
    if cases.empty:
        refused = [item["reason"] for item in left_out(home, data)]
        raise StateError(
            expected=f"expert labels in {data.title}",
            got=f"none for {len(frames)} frames" + (f"; left out: {refused[0]}" if refused else ""),
            hint="the columns labels and label_values of cases.csv",
        )
    return frames[frames["case_id"].isin(cases)].reset_index(drop=True)


def label_hashes(home: Workspace, frames: pd.DataFrame) -> dict[str, str]:
    folder = home.labels(TASK)
    labelled = sorted(set(frames["frame_id"]) & labelled_frames(home, TASK))
    sidecars = {frame: (folder / f"{frame}.sidecar.json").read_text() for frame in labelled}
    return {frame: LabelSidecar.from_json(text).label_sha256 for frame, text in sidecars.items()}


def left_out(home: Workspace, data: ExternalData) -> list[dict[str, str]]:
    """``what`` and ``reason`` of each file, frame and label of the data that ingest or prepare quarantined."""
    ingested = home.ingested(TASK)
    table = ingested / "frames.parquet"
    batches = pd.read_parquet(table).set_index("frame_id")["batch"].to_dict() if table.is_file() else {}
    files = [{**item, "what": f"scan {item['source']}"} for item in _items(ingested)]
    frames = [
        {**item, "what": f"{item['what']} {item['frame_id']}", "batch": batches.get(item["frame_id"], "")}
        for item in _items(home.prepared(TASK))
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


def whether_it_may_train(home: Workspace, data: ExternalData, frames: pd.DataFrame) -> str:
    """A batch of the workspace is split like any other."""
    if data.source is not None:
        return "These scans are in no batch of this workspace: nothing will train on them."
    path, patients = home.split(TASK), set(frames["patient_id"])
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
