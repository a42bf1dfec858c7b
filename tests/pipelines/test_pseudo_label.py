"""The stage does only new work, forgets other teachers' labels and survives a bad frame and a kill."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.blosc_store import load_label_map, save_volume
from components.cohort.labels import LabelSidecar, label_map_sha256
from components.errors import ParameterError, TeacherError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.pseudo_label import label_frames, pseudo_label
from pipelines.pseudo_manifest import Manifest, forget_others
from pipelines.workspace import Workspace

GRID = Geometry.axis_aligned((4, 4, 4), (4.0, 4.0, 4.0))
ROOT = Path(__file__).parents[2]


class Thresholder:
    """Labels what is brighter than 0 HU; refuses frames without anything bright."""

    name = "thresholder"

    def __init__(self, fingerprint: str = "f" * 64) -> None:
        self.fingerprint, self.calls = fingerprint, 0

    def label(self, volume: Volume) -> LabelMap:
        self.calls += 1
        labels = (volume.voxels_hu > 0).astype(np.uint8)
        if not labels.any():
            raise TeacherError(expected="a voxel", got="none", hint="light")
        return LabelMap(labels=labels, geometry=volume.geometry, names={1: "heart"})

    def memory_mb(self, geometry: Geometry) -> float:
        return 0.001


def frame(folder: Path, name: str, brightness: int = 100) -> Path:
    voxels = np.full((4, 4, 4), -500, dtype=np.int16)
    voxels[1, 2, 3] = brightness
    save_volume(folder / f"{name}.b2nd", Volume(voxels_hu=voxels, geometry=GRID))
    return folder / f"{name}.b2nd"


def run(teacher: Thresholder, frames: list[Path], folder: Path) -> Manifest:
    manifest = label_frames(teacher, frames, folder)
    forget_others(folder, manifest)
    manifest.write(folder)
    return manifest


def test_each_frame_gets_a_label_map_and_sidecar(tmp_path: Path) -> None:
    manifest = run(Thresholder(), [frame(tmp_path, "a")], tmp_path / "pseudo")
    label_map = load_label_map(tmp_path / "pseudo" / "a.b2nd")
    sidecar = LabelSidecar.from_json((tmp_path / "pseudo" / "a.sidecar.json").read_text())
    assert label_map.labels.sum() == 1
    assert label_map.geometry.matches(GRID)
    assert (sidecar.provenance, sidecar.teacher, sidecar.teacher_fingerprint) == (
        "pseudo",
        "thresholder",
        "f" * 64,
    )
    assert sidecar.label_sha256 == label_map_sha256(label_map) == manifest.labelled["a"]["label_sha256"]


def test_second_run_does_nothing_and_gives_the_same_bytes(tmp_path: Path) -> None:
    frames, folder, teacher = [frame(tmp_path, "a"), frame(tmp_path, "b")], tmp_path / "pseudo", Thresholder()
    run(teacher, frames, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run(teacher, frames, folder)
    assert teacher.calls == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_only_changed_and_lost_frames_are_labelled_again(tmp_path: Path) -> None:
    frames, folder, teacher = [frame(tmp_path, name) for name in "abc"], tmp_path / "pseudo", Thresholder()
    run(teacher, frames, folder)
    frame(tmp_path, "b", brightness=70)
    (folder / "c.sidecar.json").unlink()
    run(teacher, frames, folder)
    assert teacher.calls == 5


def test_pseudo_labels_die_with_their_teacher(tmp_path: Path) -> None:
    folder = tmp_path / "pseudo"
    run(Thresholder("a" * 64), [frame(tmp_path, "a"), frame(tmp_path, "b")], folder)
    other = Thresholder("b" * 64)
    run(other, [frame(tmp_path, "a")], folder)
    assert other.calls == 1
    assert sorted(path.name for path in folder.iterdir()) == ["a.b2nd", "a.sidecar.json", "manifest.json"]


def test_bad_frames_are_refused_and_the_batch_goes_on(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.b2nd"
    damaged.write_bytes(b"not a frame")
    frames = [damaged, frame(tmp_path, "dark", brightness=-1), frame(tmp_path, "good")]
    manifest = run(Thresholder(), frames, tmp_path / "pseudo")
    assert list(manifest.labelled) == ["good"]
    assert set(manifest.refused) == {"damaged", "dark"}
    assert "expected a voxel" in manifest.refused["dark"]


def test_label_of_a_frame_that_is_now_refused_is_removed(tmp_path: Path) -> None:
    folder, teacher = tmp_path / "pseudo", Thresholder()
    run(teacher, [frame(tmp_path, "a")], folder)
    run(teacher, [frame(tmp_path, "a", brightness=-1)], folder)
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]


def test_killed_run_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.pseudo_label._SAVE_EVERY_S", 0.0)
    frames, folder = [frame(tmp_path, name) for name in "abc"], tmp_path / "pseudo"

    class Killed(Thresholder):
        def label(self, volume: Volume) -> LabelMap:
            if self.calls == 2:
                raise KeyboardInterrupt
            return super().label(volume)

    with pytest.raises(KeyboardInterrupt):
        run(Killed(), frames, folder)
    teacher = Thresholder()
    assert set(run(teacher, frames, folder).labelled) == {"a", "b", "c"}
    assert teacher.calls == 1


@pytest.mark.parametrize("content", ["", "[]", '{"fingerprint": "f"}', '{"labelled": {}}'])
def test_damaged_manifest_counts_as_nothing(tmp_path: Path, content: str) -> None:
    folder, teacher = tmp_path / "pseudo", Thresholder()
    run(teacher, [frame(tmp_path, "a")], folder)
    (folder / "manifest.json").write_text(content)
    run(teacher, [frame(tmp_path, "a")], folder)
    assert teacher.calls == 2


def workspace_of(tmp_path: Path, section: str) -> Workspace:
    workspace = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    workspace.params.parent.mkdir(parents=True)
    workspace.params.write_text(section)
    prepared = workspace.prepared("segmentation")
    for name in ("p1", "p2"):
        frame(prepared / "frames", name)
    table = pd.DataFrame({"frame_id": ["p1", "p2"], "patient_id": ["p1", "p2"]})
    table.to_parquet(prepared / "frames.parquet")
    split = {"seed": 0, "assignments": {"p1": "train", "p2": "test"}, "batches": {"p1": "one", "p2": "one"}}
    workspace.split("segmentation").write_text(json.dumps(split))
    return workspace


def command_section(script: Path, more: str = "") -> str:
    return f"""
pseudo_label:
  segmentation:
    teacher: command
    command: ["{sys.executable}", "{script}", "{{input}}", "{{output}}"]
    labels: {{"1": heart}}
    {more}
  classification: {{teacher: none}}
labels: {{structures: [heart]}}
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "teacher.py"
    path.write_text(
        "import sys, nibabel, numpy as np\n"
        "image = nibabel.load(sys.argv[1])\n"
        "mask = (np.asarray(image.dataobj) > 0).astype(np.uint8)\n"
        "nibabel.save(nibabel.Nifti1Image(mask, image.affine), sys.argv[2])\n"
    )
    return path


def test_stage_skips_test_patients(tmp_path: Path, script: Path) -> None:
    workspace = workspace_of(tmp_path / "w", command_section(script))
    pseudo_label(workspace, "segmentation")
    manifest = json.loads((workspace.pseudo("segmentation") / "manifest.json").read_text())
    assert list(manifest["labelled"]) == ["p1"]
    assert len(manifest["fingerprint"]) == 64


def test_stage_labels_test_patients_when_asked(tmp_path: Path, script: Path) -> None:
    workspace = workspace_of(tmp_path / "w", command_section(script, more="label_test: true"))
    pseudo_label(workspace, "segmentation")
    manifest = json.loads((workspace.pseudo("segmentation") / "manifest.json").read_text())
    assert list(manifest["labelled"]) == ["p1", "p2"]


def test_classification_has_no_teacher(tmp_path: Path, script: Path) -> None:
    workspace = workspace_of(tmp_path / "w", command_section(script))
    pseudo_label(workspace, "classification")
    manifest = json.loads((workspace.pseudo("classification") / "manifest.json").read_text())
    assert {manifest[key] for key in ("teacher", "fingerprint")} == {None}
    assert not any(manifest[key] for key in ("labelled", "refused", "implausible", "jumps"))
    workspace.params.write_text("pseudo_label: {teacher: bundle}")
    with pytest.raises(ParameterError, match="teacher: none"):
        pseudo_label(workspace, "classification")


def test_untrusted_bundle_stops_the_stage(tmp_path: Path) -> None:
    section = (
        f"pseudo_label: {{teacher: bundle, bundle: {tmp_path / 'b'}, labels: {{aorta: aorta}}}}\nlabels: {{}}"
    )
    workspace = workspace_of(tmp_path / "w", section)
    (tmp_path / "b").mkdir()
    with pytest.raises(TeacherError, match="none trusted"):
        pseudo_label(workspace, "segmentation")


def test_no_torch_without_a_bundle() -> None:
    code = (
        "import sys, pipelines.pseudo_label, components.adapters.command_teacher\n"
        "print([m for m in ('torch', 'monai', 'mlflow') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
