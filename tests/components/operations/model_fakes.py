"""Models that answer by rule, and cases whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.cohort.frame_id import frame_id
from components.cohort.task import Task
from components.models.prediction import FramePrediction
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

NAMES = {1: "left_ventricle", 2: "aorta"}
GRID = Geometry.axis_aligned((12, 12, 12), (4.0, 2.0, 2.0))


def beating_heart(patient: int, phase: int) -> Volume:
    """A bright cube (the ventricle) that shrinks by one voxel per phase, and a constant brighter rod."""
    voxels = np.full(GRID.shape, -100, dtype=np.int16)
    size = 6 - phase
    voxels[3 : 3 + size, 3 : 3 + size, 3 : 3 + size] = 200
    voxels[:, 10, 10] = 400
    voxels[0, 0, 0] = patient
    return Volume(voxels_hu=voxels, geometry=GRID)


def truth_of(volume: Volume) -> LabelMap:
    """The expert sees the brightness."""
    labels = np.where(volume.voxels_hu >= 400, 2, np.where(volume.voxels_hu >= 200, 1, 0))
    return LabelMap(labels=labels.astype(np.uint8), geometry=volume.geometry, names=NAMES)


def prediction(labels: LabelMap | None, probabilities: dict[str, float]) -> FramePrediction:
    return FramePrediction(
        labels=labels,
        probabilities=probabilities,
        uncertainty=0.1,
        embedding=np.zeros(3, dtype=np.float32),
        outputs={},
    )


@dataclass(frozen=True, kw_only=True)
class Segmenter:
    """Finds the truth, but shifts the ventricle along x by this many voxels; fails on these patients."""

    shift: int = 0
    fails_on: tuple[int, ...] = ()
    task: Task = "segmentation"
    label_names: tuple[str, ...] = ("left_ventricle", "aorta")

    def predict(self, volume: Volume) -> FramePrediction:
        if int(volume.voxels_hu[0, 0, 0]) in self.fails_on:
            raise RuntimeError("out of memory")
        truth = truth_of(volume)
        labels = np.roll(np.where(truth.labels == 1, 1, 0), self.shift, axis=2)
        labels[truth.labels == 2] = 2
        moved = LabelMap(labels=labels.astype(np.uint8), geometry=truth.geometry, names=NAMES)
        return prediction(moved, {})


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """Says this for a scan whose first voxel (the patient number) is odd or even."""

    odd: float
    even: float
    task: Task = "classification"
    label_names: tuple[str, ...] = ("emphysema", "atelectasis")

    def predict(self, volume: Volume) -> FramePrediction:
        said = self.odd if volume.voxels_hu[0, 0, 0] % 2 else self.even
        return prediction(None, dict.fromkeys(self.label_names, said))


def cine_frames(patients: int, phases: int = 3) -> tuple[pd.DataFrame, Callable[[str], Volume]]:
    """frames.parquet rows of one cine case per patient, the first half from batch one; and their reader."""
    rows, volumes = [], {}
    for patient in range(patients):
        for phase in range(phases):
            case, percent = f"case{patient:02d}", 100.0 * phase / phases
            name = frame_id(case, percent)
            volumes[name] = beating_heart(patient, phase)
            rows.append(_row(name, case, patient, patients, percent))
    return pd.DataFrame(rows), volumes.__getitem__


def chest_frames(patients: int) -> tuple[pd.DataFrame, Callable[[str], Volume], pd.DataFrame]:
    """One scan per patient, its reader, and the truth: odd patients have emphysema, atelectasis is unknown."""
    rows, volumes, truth = [], {}, []
    for patient in range(patients):
        case = f"case{patient:02d}"
        volumes[case] = beating_heart(patient, 0)
        rows.append(_row(case, case, patient, patients, float("nan")))
        truth.append({"case_id": case, "emphysema": float(patient % 2), "atelectasis": float("nan")})
    return pd.DataFrame(rows), volumes.__getitem__, pd.DataFrame(truth).set_index("case_id")


def _row(name: str, case: str, patient: int, patients: int, percent: float) -> dict[str, object]:
    return {
        "frame_id": name,
        "case_id": case,
        "patient_id": f"p{patient:02d}",
        "batch": "one" if patient < patients / 2 else "two",
        "phase_percent": percent,
    }
