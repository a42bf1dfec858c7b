"""A lived-in workspace with a beating heart of four frames and a chest, and models that read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from fastapi import FastAPI

from components.adapters.blosc_store import save_volume
from components.adapters.parquet import read_parquet
from components.adapters.sql_store import SqlStore
from components.cohort.task import Task
from components.models.prediction import FramePrediction, Predictor
from components.registry.registry import Alias, ModelVersion
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.composition import Services
from pipelines.served_reading import WorkspaceReading
from pipelines.workspace import Workspace
from tests.components.models.marked_scans import scan, trained
from tests.dashboards.lived_workspace import lived_app

BEAT, CHEST = "beat-01", "chest-77"
PHASES = (0.0, 25.0, 50.0, 75.0)
SIDE, SPACING_MM = 40, 3.0
GRID = Geometry.axis_aligned((SIDE,) * 3, (SPACING_MM,) * 3)
RADII = (12.0, 9.0, 7.0, 10.0)


def beating(frame: int) -> Volume:
    """A bright ball whose radius in voxels is that of ``RADII``, in soft tissue, in air."""
    z, y, x = np.meshgrid(*(np.arange(SIDE) - SIDE / 2,) * 3, indexing="ij")
    radius = np.sqrt(z**2 + y**2 + x**2)
    hu = np.select([radius < RADII[frame], radius < 17], [320.0, 60.0], -900.0)
    hu += np.random.default_rng(frame).normal(0, 10, hu.shape)
    return Volume(voxels_hu=hu.astype(np.int16), geometry=GRID)


def marked_chest() -> Volume:
    """The bright square is in slices 9 to 11 (from 0)."""
    return scan(np.random.default_rng(5), slices=24, marked={0: 9})


class Brightness:
    """Stands for a segmenter: what is bright is left ventricle, and it doubts what is nearly so."""

    task: Task = "segmentation"
    label_names = ("left_ventricle",)

    def predict(self, volume: Volume) -> FramePrediction:
        labels = LabelMap(
            labels=(volume.voxels_hu > 200).astype(np.uint8), geometry=volume.geometry,
            names={1: "left_ventricle"},
        )  # fmt: skip
        ml = float(labels.labels.sum() * volume.geometry.voxel_volume_ml)
        return FramePrediction(
            labels=labels, probabilities={}, uncertainty=0.125, embedding=np.zeros(2, np.float32),
            outputs={"left_ventricle_ml": ml}, signals={"predictive_entropy": 0.5},
        )  # fmt: skip

    def doubt(self, volume: Volume) -> LabelMap:
        near = np.abs(volume.voxels_hu.astype(np.float64) - 200.0) < 150.0
        return LabelMap(labels=(near * 40).astype(np.uint8), geometry=volume.geometry, names={})


class Known:
    """Stands for a registry: one version per task."""

    def by_alias(self, name: str, alias: Alias) -> ModelVersion | None:
        return version_of(name) if alias == "champion" else None


def version_of(name: str) -> ModelVersion:
    return ModelVersion(
        name=name, version=2, package_hash=f"hash of {name} ".ljust(64, "0"), run_id="r", aliases=("champion",),
        tags={}, created_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def load(version: ModelVersion) -> Predictor:
    if version.name.endswith("segmentation"):
        return Brightness()
    return trained()


def add_cases(workspace: Workspace) -> None:
    """Their scans as ingested and as prepared, and their rows in both tables."""
    beat = [(f"{BEAT}__phase-{int(phase):03d}", BEAT, phase, beating(i)) for i, phase in enumerate(PHASES)]
    _store(workspace, "segmentation", beat)
    _store(workspace, "classification", [(CHEST, CHEST, float("nan"), marked_chest())])


def _store(workspace: Workspace, task: Task, scans: list[tuple[str, str, float, Volume]]) -> None:
    pattern = read_parquet(workspace.ingested("segmentation") / "frames.parquet").iloc[:1]
    rows = []
    for frame, case, phase, volume in scans:
        for folder in (workspace.ingested(task) / "volumes", workspace.prepared(task) / "frames"):
            save_volume(folder / f"{frame}.b2nd", volume)
        z, y, x = volume.geometry.shape
        rows.append(
            pattern.assign(
                frame_id=frame, case_id=case, patient_id=f"p-{case}", phase_percent=phase, batch="first",
                shape_z=z, shape_y=y, shape_x=x,
            )
        )  # fmt: skip
    path = workspace.ingested(task) / "frames.parquet"
    before = [read_parquet(path)] if path.is_file() else []
    pd.concat([*before, *rows], ignore_index=True).to_parquet(path, index=False)


def made_reading(workspace: Workspace, loads: Callable[[ModelVersion], Predictor] = load) -> WorkspaceReading:
    services = Services(workspace)
    vars(services).update(registry=Known())
    return WorkspaceReading(services, load=loads)


def read_app(folder: Path) -> tuple[FastAPI, SqlStore]:
    app, workspace, store = lived_app(folder)
    add_cases(workspace)
    app.state.reading = made_reading(workspace)
    return app, store
