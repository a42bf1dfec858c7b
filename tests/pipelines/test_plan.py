"""The job reads a prepared training set and leaves a file that a person and params.yaml can take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from components.adapters.blosc_store import save_label_map, save_volume
from components.cohort.labels import LabelSidecar
from components.errors import ParameterError
from components.models.training_plan import SegmentationPlan
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.cli import app
from pipelines.params import load_section
from pipelines.plan import plan
from pipelines.train import SegmentationTrainParams
from pipelines.workspace import Workspace

GRID = Geometry.axis_aligned((40, 36, 32), (3.0, 3.0, 3.0))
NAMES = {1: "left_ventricle", 2: "aorta"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("CTLOOP_STATE", raising=False)
    made = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    made.params.parent.mkdir(parents=True)
    small: dict[str, Any] = {
        "patch": [16, 16, 16], "widths": [4, 8], "stem_stride": 2, "window_hu": [-200.0, 600.0],
        "batch_size": 2, "steps_per_epoch": 1, "epochs": 2, "fine_tune_epochs": 1,
    }  # fmt: skip
    tree = {"train": {"segmentation": {"provenances": ["expert"], "cache_mb": 1, "plan": small}}}
    made.params.write_text("# ours\n" + yaml.safe_dump(tree))
    generator, rows, patients = np.random.default_rng(0), [], {"p0": "train", "p1": "train", "p2": "test"}
    for i, patient in enumerate(patients):
        labels = np.zeros(GRID.shape, dtype=np.uint8)
        labels[8:30, 8:28, 6:26], labels[9:12, 8:16, 8:16] = 1, 2
        hu = np.where(labels > 0, generator.normal(300, 30, GRID.shape), -50).astype(np.int16)
        save_volume(
            made.prepared("segmentation") / "frames" / f"c{i}.b2nd", Volume(voxels_hu=hu, geometry=GRID)
        )
        folder = made.labels("segmentation")
        save_label_map(folder / f"c{i}.b2nd", LabelMap(labels=labels, geometry=GRID, names=NAMES))
        sidecar = LabelSidecar(provenance="expert", label_sha256="0" * 64)
        (folder / f"c{i}.sidecar.json").write_text(sidecar.to_json())
        shape = {f"prepared_shape_{axis}": n for axis, n in zip("zyx", GRID.shape, strict=True)}
        rows.append(
            {"frame_id": f"c{i}", "case_id": f"c{i}", "patient_id": patient, "sha256": f"s{i}"} | shape
        )
    pd.DataFrame(rows).to_parquet(made.prepared("segmentation") / "frames.parquet")
    split = {"seed": 0, "assignments": patients, "batches": dict.fromkeys(patients, "one")}
    made.split("segmentation").write_text(json.dumps(split))
    return made


def today(workspace: Workspace) -> SegmentationPlan:
    return load_section(SegmentationTrainParams, workspace.params, "train", "segmentation").plan


def test_the_file_says_why_and_is_taken_by_params(workspace: Workspace) -> None:
    report = plan(workspace, "segmentation", memory_gb=2.0, hours=0.1)
    text = report.file.read_text()
    assert report.file == workspace.state / "plan.yaml"
    assert text.count("#") >= 10
    assert (report.found.frames, report.found.extent) == (2, (22, 20, 20))
    before = today(workspace)
    done = CliRunner().invoke(app, ["plan", "--from", str(report.file), "--workspace", str(workspace.root)])
    assert done.exit_code == 0, done.output
    after = today(workspace)
    assert before != after == report.planned.plan
    assert workspace.params.read_text().startswith("# ours")


def test_apply_and_json(workspace: Workspace) -> None:
    words = [
        "plan",
        "--memory-gb",
        "2",
        "--hours",
        "0.1",
        "--apply",
        "--json",
        "--workspace",
        str(workspace.root),
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["predicted"]["peak_gb"] <= 2.0
    assert list(today(workspace).patch) == told["plan"]["patch"]
    assert told["fingerprint"]["patients"] == 2


def test_only_segmentation_and_only_positive_budgets(workspace: Workspace) -> None:
    with pytest.raises(ParameterError, match="segmentation"):
        plan(workspace, "classification", memory_gb=2.0, hours=1.0)
    with pytest.raises(ParameterError, match="positive"):
        plan(workspace, "segmentation", memory_gb=0.0, hours=1.0)
