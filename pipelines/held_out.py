"""Expert labels of a workspace, and its frozen test set: held-out frames with an expert's truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from components.adapters.parquet import read_parquet
from components.cohort.labels import LabelSidecar
from components.cohort.split import Side, Split
from components.cohort.task import Task
from components.operations.expert_frames import ExpertFrame
from components.volume.volume import LabelMap
from pipelines.workspace import Workspace


def frames_of(workspace: Workspace, task: Task, side: Side) -> pd.DataFrame:
    """The rows of the prepared frames.parquet whose patients are on this side of the split."""
    split = Split.from_json(workspace.split(task).read_text())
    frames = read_parquet(workspace.prepared(task) / "frames.parquet")
    return frames[frames["patient_id"].isin(split.patients(side))].reset_index(drop=True)


def expert_findings(workspace: Workspace) -> pd.DataFrame:
    """Expert findings indexed by case_id, one float column per finding, NaN = unknown."""
    folder = workspace.labels("classification")
    table = read_parquet(folder / "findings.parquet").set_index("case_id").astype(np.float64)
    return table[[is_expert(folder / f"{case}.sidecar.json") for case in table.index]]


def expert_label_map(workspace: Workspace) -> Callable[[str], LabelMap | None]:
    """frame_id → the expert's label map on the prepared grid, or ``None``."""
    from components.adapters.blosc_store import load_label_map

    folder = workspace.labels("segmentation")

    def load(frame: str) -> LabelMap | None:
        if not is_expert(folder / f"{frame}.sidecar.json"):
            return None
        return load_label_map(folder / f"{frame}.b2nd")

    return load


def is_expert(sidecar: Path) -> bool:
    """Whether this sidecar exists and says that a person made the label."""
    return sidecar.is_file() and LabelSidecar.from_json(sidecar.read_text()).provenance == "expert"


def labelled_frames(workspace: Workspace, task: Task) -> frozenset[str]:
    """Frames (classification: cases) with an expert label."""
    ending = ".sidecar.json"
    sidecars = workspace.labels(task).glob(f"*{ending}")
    return frozenset(path.name.removesuffix(ending) for path in sidecars if is_expert(path))


def expert_frames(workspace: Workspace, task: Task) -> list[ExpertFrame]:
    """All held-out frames with an expert's truth, in the order of their ids."""
    frames = frames_of(workspace, task, "test").sort_values("frame_id")
    split = Split.from_json(workspace.split(task).read_text())
    make = _segmentation_frame if task == "segmentation" else _classification_frame(workspace)
    found = (
        make(workspace, str(row["frame_id"]), str(row["case_id"]), str(row["patient_id"]), split.batches)
        for row in frames.to_dict("records")
    )
    return [frame for frame in found if frame is not None]


_Make = Callable[[Workspace, str, str, str, Mapping[str, str]], ExpertFrame | None]


def _segmentation_frame(
    workspace: Workspace, frame: str, case: str, patient: str, batches: Mapping[str, str]
) -> ExpertFrame | None:
    from components.adapters.blosc_store import load_label_map, load_volume

    folder = workspace.labels("segmentation")
    if not is_expert(folder / f"{frame}.sidecar.json"):
        return None
    volume, label = workspace.prepared("segmentation") / "frames" / f"{frame}.b2nd", folder / f"{frame}.b2nd"
    return ExpertFrame(
        frame_id=frame,
        patient_id=patient,
        stratum=batches[patient],
        fingerprint=_fingerprint(volume.read_bytes(), label.read_bytes()),
        volume=partial(load_volume, volume),
        expert=partial(load_label_map, label),
    )


def _classification_frame(workspace: Workspace) -> _Make:
    truth = expert_findings(workspace)

    def make(
        workspace: Workspace, frame: str, case: str, patient: str, batches: Mapping[str, str]
    ) -> ExpertFrame | None:
        from components.adapters.blosc_store import load_volume

        if case not in truth.index:
            return None
        answer = dict(zip(truth.columns, truth.loc[case].to_numpy(np.float64).tolist(), strict=True))
        volume = workspace.prepared("classification") / "frames" / f"{frame}.b2nd"
        return ExpertFrame(
            frame_id=frame,
            patient_id=patient,
            stratum=batches[patient],
            fingerprint=_fingerprint(volume.read_bytes(), json.dumps(answer, sort_keys=True).encode()),
            volume=partial(load_volume, volume),
            expert=lambda: answer,
        )

    return make


def _fingerprint(*contents: bytes) -> str:
    total = hashlib.sha256()
    for content in contents:
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()
