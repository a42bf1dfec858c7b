"""A small workspace just before ``evaluate``: prepared phantoms, expert labels, a split, an untrained model."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import pipelines
from components.adapters.blosc_store import save_label_map, save_volume
from components.cohort.findings import CT_RATE_FINDINGS
from components.cohort.labels import LabelSidecar
from components.cohort.structures import HEART_LABELS, HEART_STRUCTURES
from components.cohort.task import Task
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.description import InputContract, ModelDescription
from components.models.package import write_model
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.workspace import Workspace

EXPERT = LabelSidecar(provenance="expert", label_sha256="0" * 64, annotator="simulated").to_json()


def make_workspace(
    root: Path, task: Task, *, train: int, test: int, phases: int = 2, size: int = 16, seed: int = 0
) -> Workspace:
    """Patients p00… train, the following test; the first half of each side came in batch one."""
    workspace = Workspace(root=root, state=root / ".ctloop")
    (root / "pipelines").mkdir(parents=True)
    shutil.copy(Path(pipelines.__file__).with_name("params.yaml"), workspace.params)
    sides = {f"p{i:02d}": "train" if i < train else "test" for i in range(train + test)}
    batches = {f"p{i:02d}": "one" if i % 2 == 0 else "two" for i in range(train + test)}
    workspace.prepared(task).mkdir(parents=True)
    workspace.split(task).write_text(json.dumps({"seed": 0, "assignments": sides, "batches": batches}))
    generator = np.random.default_rng(seed)
    make = _heart_case if task == "segmentation" else _chest_case
    rows = [
        row
        for patient in sides
        for row in make(workspace, patient, batches[patient], phases, size, generator)
    ]
    pd.DataFrame(rows).drop(columns="truth").to_parquet(workspace.prepared(task) / "frames.parquet")
    if task == "classification":
        truth = pd.DataFrame([{"case_id": row["case_id"], **row["truth"]} for row in rows])
        truth.to_parquet(workspace.labels(task) / "findings.parquet")
    write_untrained(workspace, task, size=size, seed=seed)
    return workspace


def write_untrained(workspace: Workspace, task: Task, *, size: int, seed: int) -> None:
    """``models/TASK`` with random weights."""
    torch.manual_seed(seed)
    if task == "segmentation":
        unet = UNetConfig(classes=8, widths=(16, 32, 64) if size >= 32 else (4, 8))
        network, names, architecture = UNet(unet), HEART_STRUCTURES, vars(unet)
    else:
        scroll = CTScrollConfig(labels=18, slices_per_token=2, widths=(8, 8), embedding=8, heads=2, window=2)
        network, names, architecture = CTScroll(scroll), CT_RATE_FINDINGS, vars(scroll)
    description = ModelDescription(
        task=task,
        architecture=architecture,
        input=InputContract(spacing_mm=(4.0, 4.0, 4.0), window_hu=(-200.0, 600.0), shape=(size, size, size)),
        label_names=names,
    )
    write_model(workspace.model(task), network, description)


def commit_with_lock(workspace: Workspace, task: Task) -> None:
    """A git repository with a lock file as DVC writes it."""
    deps = [{"path": f"data/{task}/labels", "md5": "abc.dir"}]
    lock = {"stages": {f"train@{task}": {"deps": deps, "params": {"p": {f"train.{task}": {"seed": 5}}}}}}
    (workspace.root / "dvc.lock").write_text(json.dumps(lock))
    (workspace.root / "requirements.lock").write_text("torch==2.13.0\n")
    for command in (
        ("init", "-q"),
        ("add", "dvc.lock", "requirements.lock", "pipelines"),
        ("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "data"),
    ):
        subprocess.run(("git", *command), cwd=workspace.root, check=True)


def _heart_case(
    workspace: Workspace, patient: str, batch: str, phases: int, size: int, generator: np.random.Generator
) -> list[dict[str, object]]:
    rows = []
    geometry = Geometry.axis_aligned((size, size, size), (4.0, 4.0, 4.0))
    for phase in range(phases):
        name = f"c{patient}__phase-{100 * phase // phases:03d}"
        coarse = generator.integers(0, 8, size=(size // 4,) * 3).astype(np.uint8)
        labels = coarse.repeat(4, axis=0).repeat(4, axis=1).repeat(4, axis=2)
        voxels = (60 * labels - 100 + generator.normal(0, 10, size=geometry.shape)).astype(np.int16)
        folder = workspace.labels("segmentation")
        save_volume(
            workspace.prepared("segmentation") / "frames" / f"{name}.b2nd",
            Volume(voxels_hu=voxels, geometry=geometry),
        )
        save_label_map(
            folder / f"{name}.b2nd", LabelMap(labels=labels, geometry=geometry, names=HEART_LABELS)
        )
        (folder / f"{name}.sidecar.json").write_text(EXPERT)
        rows.append(_row(name, f"c{patient}", patient, batch, 100.0 * phase / phases, {}))
    return rows


def _chest_case(
    workspace: Workspace, patient: str, batch: str, phases: int, size: int, generator: np.random.Generator
) -> list[dict[str, object]]:
    name = f"c{patient}"
    geometry = Geometry.axis_aligned((size, size, size), (4.0, 4.0, 4.0))
    voxels = generator.normal(-300, 200, size=geometry.shape).astype(np.int16)
    save_volume(
        workspace.prepared("classification") / "frames" / f"{name}.b2nd",
        Volume(voxels_hu=voxels, geometry=geometry),
    )
    folder = workspace.labels("classification")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.sidecar.json").write_text(EXPERT)
    truth = dict(zip(CT_RATE_FINDINGS, (generator.random(18) < 0.4).astype(float).tolist(), strict=True))
    return [_row(name, name, patient, batch, float("nan"), truth)]


def _row(
    name: str, case: str, patient: str, batch: str, percent: float, truth: dict[str, float]
) -> dict[str, object]:
    text = dict.fromkeys(("site", "manufacturer", "model", "kernel"), "")
    numbers = {f"spacing_{axis}_mm": 4.0 for axis in "zyx"} | {"kvp": 120.0, "slice_thickness_mm": 4.0}
    identity = {"frame_id": name, "case_id": case, "patient_id": patient, "batch": batch}
    return {**identity, "phase_percent": percent, **text, **numbers, "orientation": "LPS", "truth": truth}
