"""Two jobs never write one workspace at once, and a dead one never stands in the way."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.errors import StateError
from pipelines.cli import app
from pipelines.lease import lease, lease_unless_held
from pipelines.workspace import Workspace

HOLD = """
import sys
from pathlib import Path
from pipelines.lease import lease, lease_unless_held
from pipelines.workspace import Workspace
with lease(Workspace.at(Path(sys.argv[1])).lease, "ctloop loop"):
    print("holds", flush=True)
    sys.stdin.read()
"""
ONE = ("--task", "segmentation")
WRITING = {
    "add": ("add", "--source", "scans"),
    "loop": ("loop", "--source", "scans"),
    "train": ("train",),
    "pseudo-label": ("pseudo-label",),
    "retrain": ("retrain", *ONE),
    "labels import": ("labels", "import", "answers"),
    "register": ("register", *ONE),
    "gate": ("gate", *ONE),
    "promote": ("promote", *ONE),
    "rollback": ("rollback", *ONE, "--reason", "x"),
    "monitor": ("monitor", *ONE, "--batch", "one"),
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("CTLOOP_STATE", raising=False)
    workspace = Workspace.at(tmp_path)
    workspace.params.parent.mkdir()
    workspace.params.touch()
    return workspace


def start(workspace: Workspace) -> subprocess.Popen[str]:
    """Another process that holds the lease until its standard input ends."""
    command = (sys.executable, "-c", HOLD, str(workspace.root))
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "holds\n"
    return other


@pytest.fixture
def other(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    process = start(workspace)
    yield process
    process.kill()
    process.communicate()


def test_the_second_job_hears_who_is_at_work(workspace: Workspace, other: subprocess.Popen[str]) -> None:
    words = rf"no other job writes, got `ctloop loop` \(process {other.pid}, since \d\d:\d\d on [\d-]+\), try"
    with pytest.raises(StateError, match=words), lease(workspace.lease, "ctloop add"):
        pass
    other.communicate("")
    with lease(workspace.lease, "ctloop add"):
        assert "ctloop add" in workspace.lease.read_text()
    assert workspace.lease.read_text() == ""


def test_a_killed_job_leaves_no_lease(workspace: Workspace, other: subprocess.Popen[str]) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert "ctloop loop" in workspace.lease.read_text()
    with lease(workspace.lease, "ctloop add"):
        assert workspace.lease.read_text().startswith(f"`ctloop add` (process {os.getpid()}, ")


def test_a_lease_within_another_gives_the_outer_one_back(workspace: Workspace) -> None:
    with lease(workspace.lease, "ctloop monitor"):
        with lease(workspace.state / "scores" / "lease", "ctloop score") as outermost:
            assert outermost
        with lease(workspace.lease, "ctloop gate") as outermost:
            assert not outermost


def test_where_another_job_writes_one_may_go_on_without_writing(
    workspace: Workspace, other: subprocess.Popen[str]
) -> None:
    with lease_unless_held(workspace.lease, "ctloop score") as ours:
        assert not ours
    other.communicate("")
    with lease_unless_held(workspace.lease, "ctloop score") as ours:
        assert ours
        assert "ctloop score" in workspace.lease.read_text()


def test_a_failed_job_leaves_no_lease(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), lease(workspace.lease, "ctloop add"):
        raise ZeroDivisionError
    with lease(workspace.lease, "ctloop add"):
        pass


def test_jobs_inside_a_job_run_under_its_lease(workspace: Workspace) -> None:
    with lease(workspace.lease, "ctloop loop"):
        with lease(workspace.lease, "ctloop add"):
            assert "ctloop loop" in workspace.lease.read_text()
        start(workspace).communicate("")
        assert "ctloop loop" in workspace.lease.read_text()
        with workspace.lease.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_other_workspaces_are_free(workspace: Workspace, tmp_path: Path) -> None:
    with lease(workspace.lease, "ctloop loop"):
        second = start(Workspace.at(tmp_path / "second"))
        second.communicate("")
    assert second.returncode == 0


@pytest.mark.parametrize("words", WRITING.values(), ids=WRITING.keys())
def test_a_writing_verb_waits_for_its_turn(workspace: Workspace, words: tuple[str, ...]) -> None:
    workspace.lease.parent.mkdir()
    with workspace.lease.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = CliRunner().invoke(app, [*words, "--workspace", str(workspace.root)])
    assert isinstance(done.exception, StateError)
    assert "no other job writes" in str(done.exception)
    assert [path.name for path in workspace.state.iterdir()] == ["lease"]


def test_a_reading_verb_is_free(workspace: Workspace) -> None:
    workspace.lease.parent.mkdir()
    with workspace.lease.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = CliRunner().invoke(app, ["requests", "list", "--workspace", str(workspace.root)])
    assert done.exception is None
