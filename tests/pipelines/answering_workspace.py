"""A made workspace with a heart and a chest to ask about: an ellipsoid with a ring in it, and two lungs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from components.adapters.blosc_store import save_label_map, save_volume
from components.adapters.sql_store import SqlStore, open_store
from components.cohort.structures import HEART_LABELS
from components.labeling.request import LabelingRequest
from components.volume.canonical import canonical_geometry
from components.volume.geometry import Geometry
from components.volume.resample import resample_labels
from components.volume.volume import LabelMap, Volume
from pipelines.workspace import Workspace

HEART_FRAME, CHEST_CASE = "heart-07__phase-040", "chest-12"
# the native grid runs to the right, to anterior and to superior, unlike the LPS grid that pages show
NATIVE = Geometry(
    shape=(24, 40, 44),
    affine=np.array([[0, 0, -3, 60], [0, -3, 0, 60], [5, 0, 0, -50], [0, 0, 0, 1]], dtype=float),
)

HEART_REQUEST = LabelingRequest(
    task="segmentation",
    case_id="heart-07",
    frame_id=HEART_FRAME,
    patient_id="p-7",
    batch="batch-2",
    reason="uncertainty",
    measured=0.4213,
    threshold=0.3,
    model_version="ctloop-segmentation/1",
    evidence="window of batch-2",
    budget_minutes=30.0,
    opened_at="2026-01-02T03:04:05+00:00",
    due="2026-01-16",
)
CHEST_REQUEST = replace(
    HEART_REQUEST,
    task="classification",
    case_id=CHEST_CASE,
    frame_id=CHEST_CASE,
    patient_id="p-12",
    reason="drift",
    measured=0.0004,
    threshold=0.05,
    model_version="ctloop-classification/1",
    budget_minutes=5.0,
)


def heart_labels() -> np.ndarray:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in NATIVE.shape), indexing="ij")
    radius = np.sqrt((z / 0.7) ** 2 + (y / 0.6) ** 2 + (x / 0.5) ** 2)
    labels = np.zeros(NATIVE.shape, dtype=np.uint8)
    labels[radius < 1.0] = 5
    labels[radius < 0.7] = 1
    labels[(np.hypot(y + 0.1, x - 0.75) < 0.18) & (np.abs(z) < 0.8)] = 6
    return labels


def heart_volume() -> Volume:
    noise = np.random.default_rng(0).normal(0, 12, NATIVE.shape)
    hu = np.select([heart_labels() == 1, heart_labels() == 5, heart_labels() == 6], [320, 110, 300], -750)
    return Volume(voxels_hu=(hu + noise).astype(np.int16), geometry=NATIVE)


def chest_volume() -> Volume:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in NATIVE.shape), indexing="ij")
    hu = np.full(NATIVE.shape, -1000.0)
    hu[np.hypot(x / 0.95, y / 0.75) < 1] = 40
    for side in (-0.42, 0.42):
        hu[np.sqrt(((x - side) / 0.35) ** 2 + (y / 0.55) ** 2 + (z / 0.85) ** 2) < 1] = -830
    hu[np.hypot(x, (y + 0.55) / 1.2) < 0.12] = 700
    hu += np.random.default_rng(1).normal(0, 15, NATIVE.shape)
    return Volume(voxels_hu=hu.astype(np.int16), geometry=NATIVE)


@dataclass
class Versions:
    """Stands for ``dvc add``: counts, and hashes names only."""

    added: list[str] = field(default_factory=list)

    def __call__(self, path: Path) -> str:
        self.added.append(path.parent.name)
        return f"version-of-{len(list(path.glob('*.sidecar.json')))}-{path.parent.name}"


def made_workspace(folder: Path) -> tuple[Workspace, SqlStore]:
    workspace = Workspace(root=folder, state=folder / ".ctloop")
    shipped = Path(__file__).parents[2] / "pipelines" / "params.yaml"
    workspace.params.parent.mkdir(parents=True)
    shutil.copy(shipped, workspace.params)
    save_volume(workspace.ingested("segmentation") / "volumes" / f"{HEART_FRAME}.b2nd", heart_volume())
    save_volume(workspace.ingested("segmentation") / "volumes" / "heart-08.b2nd", heart_volume())
    save_volume(workspace.ingested("classification") / "volumes" / f"{CHEST_CASE}.b2nd", chest_volume())
    drawn = LabelMap(labels=np.roll(heart_labels(), 2, axis=2), geometry=NATIVE, names=HEART_LABELS)
    prepared = resample_labels(drawn, canonical_geometry(NATIVE, (4.0, 4.0, 4.0)))
    save_label_map(workspace.pseudo("segmentation") / f"{HEART_FRAME}.b2nd", prepared)
    store = open_store(workspace.database_url)
    store.open_request(HEART_REQUEST)
    store.open_request(CHEST_REQUEST)
    return workspace, store
