"""A temporary clone shares the DVC cache, and its outcome is one more commit on the workspace's branch."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from components.errors import StateError
from pipelines.dvc_commands import add_version, commit_data, head, repro
from pipelines.temporary_clone import bring_back, temporary_clone
from pipelines.workspace import Workspace

STAGES = """\
stages:
  copy:
    cmd: python -c "import pathlib; pathlib.Path('models/copy').write_bytes(pathlib.Path('data/raw/a').read_bytes())"
    deps: [data/raw]
    outs: [models/copy]
"""
# as above, but told to wait it says so and waits
WAITING = """\
import os, pathlib, time
if begun := os.environ.get("TELL"):
    pathlib.Path(begun).touch()
    ends = time.monotonic() + 120
    while not pathlib.Path(os.environ["AWAIT"]).exists() and time.monotonic() < ends:
        time.sleep(0.05)
pathlib.Path("models/copy").write_bytes(pathlib.Path("data/raw/a").read_bytes())
"""


def git(root: Path, *arguments: str) -> None:
    subprocess.run(
        ("git", "-c", "user.name=test", "-c", "user.email=test@localhost", *arguments),
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "workspace"
    for folder in ("data/raw", "models", "pipelines"):
        (root / folder).mkdir(parents=True)
    (root / "pipelines" / "params.yaml").write_text("{}\n")
    (root / "dvc.yaml").write_text(STAGES)
    (root / ".gitignore").write_text("/.ctloop/\n")
    (root / "data" / "raw" / "a").write_text("first")
    git(root, "init", "--quiet")
    subprocess.run((sys.executable, "-m", "dvc", "init", "--quiet"), cwd=root, check=True)
    add_version(root, root / "data" / "raw")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "start")
    return Workspace(root=root, state=root / ".ctloop")


def test_the_clone_has_the_data_and_its_outcome_comes_back(workspace: Workspace) -> None:
    start = head(workspace.root)
    with temporary_clone(workspace, "job") as clone:
        assert (clone.root / "data" / "raw" / "a").read_text() == "first"
        assert repro(clone.root, ["copy"]) == ("copy",)
        commit_data(clone.root, "outcome")
        bring_back(workspace, clone)
        inside = clone.root
    assert not inside.exists()
    assert (workspace.root / "models" / "copy").read_text() == "first"
    assert head(workspace.root) != start
    assert repro(workspace.root, ["copy"]) == ()


def test_what_was_put_in_meanwhile_stays(workspace: Workspace) -> None:
    with temporary_clone(workspace, "job") as clone:
        repro(clone.root, ["copy"])
        commit_data(clone.root, "outcome")
        (workspace.root / "data" / "raw" / "b").write_text("an answer")
        bring_back(workspace, clone)
    assert (workspace.root / "models" / "copy").read_text() == "first"
    assert (workspace.root / "data" / "raw" / "b").read_text() == "an answer"


def test_a_person_runs_the_same_stage_in_the_workspace_meanwhile(
    workspace: Workspace, tmp_path: Path
) -> None:
    stage = {"cmd": "python waiting.py", "deps": ["data/raw"], "outs": ["models/copy"]}
    (workspace.root / "waiting.py").write_text(WAITING)
    (workspace.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"copy": stage}}))
    git(workspace.root, "add", "--all")
    git(workspace.root, "commit", "--quiet", "-m", "a stage that waits")
    begun, go = tmp_path / "begun", tmp_path / "go"
    with temporary_clone(workspace, "job") as clone, ThreadPoolExecutor(1) as pool:
        told = {"TELL": str(begun), "AWAIT": str(go)}
        retraining = pool.submit(repro, clone.root, ["copy"], env=told)
        while not begun.exists() and not retraining.done():
            time.sleep(0.05)
        (workspace.root / "data" / "raw" / "a").write_text("the person's")
        assert repro(workspace.root, ["copy"]) == ("copy",)
        assert not retraining.done()
        go.touch()
        assert retraining.result(timeout=120) == ("copy",)
        assert (clone.root / "models" / "copy").read_text() == "first"
        commit_data(clone.root, "outcome")
        with pytest.raises(StateError, match="stands where the retraining started"):
            bring_back(workspace, clone)
    assert (workspace.root / "models" / "copy").read_text() == "the person's"
    assert repro(workspace.root, ["copy"]) == ()


def test_a_workspace_that_moved_on_is_left_alone(workspace: Workspace) -> None:
    with temporary_clone(workspace, "job") as clone:
        repro(clone.root, ["copy"])
        commit_data(clone.root, "outcome")
        git(workspace.root, "commit", "--quiet", "--allow-empty", "-m", "a person was faster")
        before = head(workspace.root)
        with pytest.raises(StateError, match="stands where the retraining started"):
            bring_back(workspace, clone)
    assert head(workspace.root) == before


def test_a_failing_stage_is_named(workspace: Workspace) -> None:
    (workspace.root / "dvc.yaml").write_text("stages: {bad: {cmd: exit 3}}\n")
    with pytest.raises(StateError, match=r"got exit code .* in bad"):
        repro(workspace.root, ["bad"])


def test_commit_without_a_change_is_none(workspace: Workspace) -> None:
    start = head(workspace.root)
    assert commit_data(workspace.root, "nothing") == start
