import subprocess
import sys

import pytest

from components.cohort.split import Split
from components.errors import StateError
from pipelines.add import add
from pipelines.ingest import ingest
from pipelines.prepare import prepare
from pipelines.split import split
from tests.pipelines.small_sources import a_workspace, write_ct


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace = a_workspace(tmp_path / "ws")
    for index in range(6):
        write_ct(tmp_path / "first" / f"{index}.nii", index)
    add(workspace, source=tmp_path / "first", tasks=["classification"])
    ingest(workspace, "classification")
    prepare(workspace, "classification")
    return workspace


def test_the_split_grows_and_nobody_moves(workspace, tmp_path):
    split(workspace, "classification")
    before = Split.from_json(workspace.split("classification").read_text())
    assert len(before.patients("test")) == 2
    for index in range(4):
        write_ct(tmp_path / "second" / f"{index}.nii", 10 + index)
    add(workspace, source=tmp_path / "second", tasks=["classification"])
    ingest(workspace, "classification")
    prepare(workspace, "classification")
    split(workspace, "classification")
    after = Split.from_json(workspace.split("classification").read_text())
    assert {p: after.assignments[p] for p in before.assignments} == dict(before.assignments)
    assert len(after.patients("test")) == 3


def test_running_again_gives_the_same_bytes(workspace):
    split(workspace, "classification")
    before = workspace.split("classification").read_bytes()
    split(workspace, "classification")
    assert workspace.split("classification").read_bytes() == before


def test_without_prepared_frames_it_says_what_to_run(tmp_path):
    with pytest.raises(StateError, match="ctloop prepare"):
        split(a_workspace(tmp_path / "ws"), "segmentation")


def test_a_stage_is_a_command_and_an_error_is_one_line(workspace):
    command = (
        sys.executable,
        "-m",
        "pipelines.split",
        "--task",
        "classification",
        "--workspace",
        workspace.root,
    )
    assert subprocess.run(command, capture_output=True, check=True).stdout == b""
    workspace.split("classification").write_text("{")
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith("split: expected split.json")
    assert "Traceback" not in failed.stderr
