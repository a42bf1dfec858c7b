"""The pool of ``ctloop bench pool``: small prepared frames of phantom hearts, each with noise of its own."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import pipelines
from components.adapters.blosc_store import save_volume
from components.cohort.frames import FRAME_COLUMNS
from components.cohort.structures import HEART_STRUCTURES
from components.cohort.task import Task
from components.models.description import InputContract, ModelDescription
from components.models.fit import seeded
from components.models.package import write_model
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from components.phantom.cardiac import cardiac_case
from components.phantom.scanner import SCANNERS
from components.volume.digest import volume_sha256
from components.volume.volume import Volume
from pipelines.workspace import Workspace

TASK: Task = "segmentation"
SIDE = 24
_SPACING_MM = 8.0
_DISTINCT = 8
_NOISE_HU = 15.0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Prepared frames, one per case and patient, that workspaces of any size share."""

    frames: Path
    rows: Sequence[dict[str, Any]]

    def workspace(self, root: Path, count: int) -> Workspace:
        """A workspace whose pool is the first ``count`` frames."""
        here = Workspace(root=root, state=root / ".ctloop")
        here.params.parent.mkdir(parents=True)
        shutil.copyfile(Path(pipelines.__path__[0]) / "params.yaml", here.params)
        here.prepared(TASK).mkdir(parents=True)
        (here.prepared(TASK) / "frames").symlink_to(self.frames, target_is_directory=True)
        pd.DataFrame(self.rows[:count]).to_parquet(here.prepared(TASK) / "frames.parquet", index=False)
        patients = [row["patient_id"] for row in self.rows[:count]]
        split = {
            "seed": 0,
            "assignments": dict.fromkeys(patients, "train"),
            "batches": dict.fromkeys(patients, "pool"),
        }
        here.split(TASK).write_text(json.dumps(split))
        return here


def draw_pool(folder: Path, *, seed: int, count: int) -> Pool:
    """``count`` frames of ``SIDE``³ voxels."""
    hearts = [_heart(seed, number) for number in range(_DISTINCT)]
    generator = np.random.default_rng([seed, _DISTINCT])
    rows = []
    for number in range(count):
        heart = hearts[number % _DISTINCT]
        noise = generator.normal(0.0, _NOISE_HU, heart.voxels_hu.shape)
        volume = dataclasses.replace(
            heart, voxels_hu=np.rint(heart.voxels_hu + noise).clip(-1024, 3071).astype(np.int16)
        )
        name = f"c{number:06d}"
        save_volume(folder / f"{name}.b2nd", volume)
        rows.append(_row(name, number, volume))
    return Pool(frames=folder, rows=rows)


def write_network(folder: Path, *, seed: int) -> None:
    """The package of a small U-Net of three members; its weights are drawn, which costs what trained ones do."""
    config = UNetConfig(classes=len(HEART_STRUCTURES) + 1, widths=(8, 16, 32), stem_stride=1, heads=3)
    contract = InputContract(
        spacing_mm=(_SPACING_MM,) * 3, window_hu=(-200.0, 600.0), shape=(SIDE, SIDE, SIDE)
    )
    said = ModelDescription(
        task=TASK, architecture=dataclasses.asdict(config), input=contract, label_names=HEART_STRUCTURES
    )
    write_model(folder, seeded(lambda: UNet(config), seed), said)


def _heart(seed: int, number: int) -> Volume:
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    case = cardiac_case(
        seed=drawn, species="human", scanner=SCANNERS["reference"], phases_percent=(0.0,),
        shape=(SIDE, SIDE, SIDE), spacing_mm=(_SPACING_MM,) * 3,
    )  # fmt: skip
    (frame,) = case.frames
    return frame.volume


def _row(name: str, number: int, volume: Volume) -> dict[str, Any]:
    """As prepare writes it, with every column."""
    unknown = {column: "" if kind == "str" else float("nan") for column, kind in FRAME_COLUMNS.items()}
    grid = {
        f"{part}_{axis}{unit}": value
        for part, unit, values in (("spacing", "_mm", (_SPACING_MM,) * 3), ("shape", "", (SIDE,) * 3))
        for axis, value in zip("zyx", values, strict=True)
    }
    said = {
        "frame_id": name, "case_id": name, "patient_id": f"p{number:06d}", "batch": f"batch-{number // 500}",
        "site": f"site-{number % 5}", "kvp": 120.0, "slice_thickness_mm": _SPACING_MM, "orientation": "LPS",
        "sha256": volume_sha256(volume),
    }  # fmt: skip
    return {**unknown, **said, **grid, **{f"prepared_{key}": value for key, value in grid.items()}}
