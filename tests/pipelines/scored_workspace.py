"""A prepared pool, and a model that can be told to be killed; run as a program it scores the pool."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import pipelines
from components.adapters.blosc_store import save_volume
from components.cohort.labels import LabelSidecar
from components.cohort.task import Task
from components.models.prediction import FramePrediction
from components.registry.registry import ModelVersion
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.score import score
from pipelines.workspace import Workspace

TASK: Task = "segmentation"
VERSION = ModelVersion(
    name="ctloop-segmentation",
    version=1,
    package_hash="a" * 64,
    run_id="",
    aliases=(),
    tags={},
    created_at="",
)
GRID = Geometry.axis_aligned((6, 8, 8), (3.0, 3.0, 3.0))
EXPERT = LabelSidecar(provenance="expert", label_sha256="0" * 64, annotator="simulated").to_json()


class LoggingPredictor:
    """Labels what is above 0 HU, notes each look at a volume, and is killed at a given one."""

    task: Task = TASK
    label_names = ("left_ventricle",)

    def __init__(self, log: Path, kill_at: int = 0) -> None:
        self.log, self.kill_at = log, kill_at

    def predict(self, volume: Volume) -> FramePrediction:
        seen = self.log.read_text().count("\n") if self.log.exists() else 0
        with self.log.open("a") as file:
            file.write(f"{int(volume.voxels_hu[0, 0, 0])}\n")
        if seen + 1 == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        labels = (volume.voxels_hu > 0).astype(np.uint8)
        mean = float(volume.voxels_hu.mean())
        return FramePrediction(
            labels=LabelMap(labels=labels, geometry=volume.geometry, names={1: "left_ventricle"}),
            probabilities={},
            uncertainty=1 / (3 + abs(mean)),
            embedding=np.array([mean, mean / 3], dtype=np.float32),
            outputs={"left_ventricle_ml": float(labels.sum()) / 7},
        )


def looks(log: Path) -> int:
    """How many volumes were looked at."""
    return log.read_text().count("\n") if log.exists() else 0


def make_pool(
    root: Path, *, cases: int, phases: int = 2, test: Collection[int] = (), labelled: Collection[int] = ()
) -> Workspace:
    """Cases c00… of a patient each; frames of ``labelled`` cases all have an expert's map. Parts hold three."""
    workspace = Workspace(root=root, state=root / ".ctloop")
    workspace.params.parent.mkdir(parents=True)
    shipped = Path(pipelines.__file__).with_name("params.yaml").read_text()
    workspace.params.write_text(shipped.replace("part_cases: 64", "part_cases: 3"))
    rows = [row for phase in range(phases) for row in (_row(case, phase) for case in range(cases))]
    for row in rows:
        draw(workspace, str(row["frame_id"]), int(str(row["sha256"]), 16))
    pd.DataFrame(rows).to_parquet(workspace.prepared(TASK) / "frames.parquet")
    sides = {f"p{case:02d}": "test" if case in test else "train" for case in range(cases)}
    batches = dict.fromkeys(sides, "one")
    workspace.split(TASK).write_text(json.dumps({"seed": 0, "assignments": sides, "batches": batches}))
    workspace.labels(TASK).mkdir(parents=True)
    for row in rows:
        if int(str(row["case_id"])[1:]) in labelled:
            (workspace.labels(TASK) / f"{row['frame_id']}.sidecar.json").write_text(EXPERT)
    return workspace


def draw(workspace: Workspace, frame: str, seed: int) -> None:
    voxels = np.random.default_rng(seed).normal(0, 100, GRID.shape).astype(np.int16)
    save_volume(
        workspace.prepared(TASK) / "frames" / f"{frame}.b2nd", Volume(voxels_hu=voxels, geometry=GRID)
    )


def run_score(workspace: Workspace, log: Path, *, kill_at: int = 0, **more: Any) -> dict[str, Any]:
    """``ctloop score`` with the model above as version 1."""
    return score(workspace, TASK, VERSION, load_predictor=lambda: LoggingPredictor(log, kill_at), **more)


def _row(case: int, phase: int) -> dict[str, object]:
    return {
        "frame_id": f"c{case:02d}__phase-{50 * phase:03d}",
        "case_id": f"c{case:02d}",
        "patient_id": f"p{case:02d}",
        "batch": "one" if case % 2 == 0 else "two",
        "phase_percent": 50.0 * phase,
        "site": "north",
        "kvp": float("nan") if case % 3 else 120.0,
        "sha256": f"{100 * case + phase:064x}",
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    run_score(Workspace(root=folder, state=folder / ".ctloop"), Path(sys.argv[2]), kill_at=int(sys.argv[3]))
