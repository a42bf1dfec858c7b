"""Frames that no teacher should see, and phases in any order, from files to pseudo-labels: the batch goes on."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.adapters.blosc_store import load_label_map
from components.adapters.parquet import read_parquet
from pipelines.add import add
from pipelines.ingest import ingest
from pipelines.prepare import prepare
from pipelines.pseudo_label import pseudo_label
from pipelines.split import split
from pipelines.workspace import Workspace
from tests.pipelines.small_sources import AFFINE, PARAMS, a_workspace

RULE = """
pseudo_label:
  segmentation:
    teacher: rule
    rules: {bright: {window_hu: [20, 3000], inside_body: false, min_ml: 0.05, keep: 1}}
    labels: {bright: aorta}
    parallel: 3
    plausibility: {volume_ml: {aorta: [0.5, 50.0]}}
    jumps: {still: 0.3, per_percent: 0.0}
  classification: {teacher: none}
"""
COMMAND = """
pseudo_label:
  segmentation:
    teacher: command
    command: ["PYTHON", "SCRIPT", "{input}", "{output}"]
    command_timeout_s: 20
    labels: {"1": aorta}
    parallel: 2
  classification: {teacher: none}
"""

COUNTER = itertools.count()


def heart(shape: tuple[int, int, int] = (12, 13, 14), at: int = 3, side: int = 6) -> np.ndarray:
    """``(x, y, z)``: fat with one bright cube; no two alike, since copies are turned away."""
    data = np.full(shape, -100, dtype=np.float32)
    data[0, 0, 0] -= next(COUNTER)
    data[at : at + side, 3 : 3 + side, 1 : 1 + side] = 300
    return data


def nan() -> np.ndarray:
    data = heart()
    data[0, 0, 0] = np.nan
    return data


SCANS = {
    "nan": nan(),
    "constant": np.full((12, 13, 14), -5.0, dtype=np.float32),
    "three-slices": heart((12, 13, 3)),
    "tall": heart((8, 13, 3000), at=1),
    "speck": heart(side=3),
    "good": heart(),
}
# phase → where the cube is; listed out of order, without 50 to 80
CINE = {30: 3, 0: 3, 90: 3, 10: 6, 20: 3, 40: 3}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    source = tmp_path / "scans"
    source.mkdir()
    rows = []
    for name, data in SCANS.items():
        nibabel.Nifti1Image(data, AFFINE).to_filename(source / f"{name}.nii.gz")
        rows.append(f"{name}.nii.gz,{name},{name},")
    for phase, at in CINE.items():
        nibabel.Nifti1Image(heart(at=at), AFFINE).to_filename(source / f"f{phase}.nii.gz")
        rows.append(f"f{phase}.nii.gz,cine,cine,{phase}")
    lines = [f"{row},segmentation" for row in rows]
    (source / "cases.csv").write_text("path,patient,case,phase,task\n" + "\n".join(lines) + "\n")
    made = a_workspace(tmp_path / "ws")
    made.params.write_text(PARAMS.replace("audit_share: 0.2", "audit_share: 0.0") + RULE)
    add(made, source=source)
    for stage in (ingest, prepare, split):
        stage(made, "segmentation")
    return made


def manifest_of(workspace: Workspace) -> dict[str, dict[str, object]]:
    tree: dict[str, dict[str, object]] = json.loads(
        (workspace.pseudo("segmentation") / "manifest.json").read_text()
    )
    return tree


def test_bad_frames_have_their_reasons_and_the_others_their_labels(workspace: Workspace) -> None:
    reasons = sorted(
        item["reason"]
        for item in json.loads((workspace.ingested("segmentation") / "quarantine.json").read_text())
    )
    assert len(reasons) == 3
    assert sum("NaN" in reason for reason in reasons) == 1
    assert sum("the constant -5 HU" in reason for reason in reasons) == 1
    assert sum("only 3 × 13 × 12 voxels" in reason for reason in reasons) == 1
    pseudo_label(workspace, "segmentation")
    manifest = manifest_of(workspace)
    assert manifest["refused"] == {}
    assert len(manifest["implausible"]) == 1  # the speck
    assert len(manifest["labelled"]) == 2 + len(CINE)
    tall = [
        load_label_map(workspace.pseudo("segmentation") / f"{frame}.b2nd") for frame in manifest["labelled"]
    ]
    assert max(label_map.geometry.shape[0] for label_map in tall) == 1500


def test_neighbours_are_taken_by_phase_across_a_missing_part(workspace: Workspace) -> None:
    pseudo_label(workspace, "segmentation")
    jumps = manifest_of(workspace)["jumps"]
    above = {frame.rpartition("-")[2] for frame, jump in jumps.items() if jump["measured"] > jump["bound"]}  # type: ignore[index]
    assert len(jumps) == len(CINE)
    assert "010" in above
    assert not above & {"030", "040", "090"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(3)", "got 3"),
        ("import time; time.sleep(60)", "a result within 20 s"),
        ("nibabel.save(nibabel.Nifti1Image(mask[1:], image.affine), sys.argv[2])", "the frame's grid"),
    ],
)
def test_a_teacher_that_fails_on_one_frame_labels_the_others(
    workspace: Workspace, tmp_path: Path, body: str, reason: str
) -> None:
    """It fails on the tall frame only."""
    script = tmp_path / "teacher.py"
    good = "nibabel.save(nibabel.Nifti1Image(mask, image.affine), sys.argv[2])"
    script.write_text(
        "import sys, nibabel, numpy as np\n"
        "image = nibabel.load(sys.argv[1])\n"
        "mask = (np.asarray(image.dataobj) > 20).astype(np.uint8)\n"
        f"if mask.shape[2] > 1000:\n    {body}\nelse:\n    {good}\n"
    )
    section = COMMAND.replace("PYTHON", sys.executable).replace("SCRIPT", str(script))
    if "time.sleep" in body:
        section = section.replace("command_timeout_s: 20", "command_timeout_s: 6")
        reason = "a result within 6 s"
    workspace.params.write_text(PARAMS + section)
    pseudo_label(workspace, "segmentation")
    manifest = manifest_of(workspace)
    assert len(manifest["labelled"]) == len(CINE) + 2
    (refused,) = manifest["refused"].values()
    assert reason in str(refused)
    frames = set(read_parquet(workspace.prepared("segmentation") / "frames.parquet")["frame_id"])
    assert {*manifest["labelled"], *manifest["refused"]} == frames
