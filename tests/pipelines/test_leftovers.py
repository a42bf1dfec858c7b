"""Each file that a killed DVC or git leaves half-written stops the next command, until it is mended."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import StateError
from pipelines.dvc_commands import add_version, commit_data, repro, run_quietly
from pipelines.leftovers import mend

STAGE = "stages:\n  copy:\n    cmd: cp data/task/answers copied\n    deps: [data/task/answers]\n    outs: [copied]\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one stage that ran, committed."""
    for command in (("git", "init", "--quiet"), (sys.executable, "-m", "dvc", "init", "--quiet")):
        subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "data" / "task").mkdir(parents=True)
    (tmp_path / "data" / "task" / "answers").write_text("yes")
    (tmp_path / "dvc.yaml").write_text(STAGE)
    add_version(tmp_path, tmp_path / "data" / "task" / "answers")
    assert repro(tmp_path, ["copy"]) == ("copy",)
    commit_data(tmp_path, "start")
    return tmp_path


@pytest.mark.parametrize("name", [".dvc/tmp/rwlock", "dvc.lock", "data/task/answers.dvc"])
def test_an_empty_file_of_a_killed_dvc_stops_nothing(root: Path, name: str) -> None:
    whole = (root / name).read_bytes()
    (root / name).write_bytes(b"")
    assert repro(root, ["copy"]) == ()
    assert (root / name).read_bytes() == whole
    assert (root / "copied").read_text() == "yes"


@pytest.mark.parametrize(("name", "lines"), [("dvc.lock", 3), ("dvc.lock", 5), ("data/task/answers.dvc", 3)])
@pytest.mark.parametrize("more", ["", "  - p"])
def test_a_file_that_dvc_cannot_read_is_put_back(root: Path, name: str, lines: int, more: str) -> None:
    whole = (root / name).read_text()
    (root / name).write_text("".join(whole.splitlines(keepends=True)[:lines]) + more)
    with pytest.raises(StateError):
        run_quietly(root, sys.executable, "-m", "dvc", "repro", "copy")
    mend(root)
    assert (root / name).read_text() == whole


def test_a_file_cut_off_where_dvc_can_read_it_is_completed_by_the_stage(root: Path) -> None:
    whole = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text("".join(whole.splitlines(keepends=True)[:-2]))
    repro(root, ["copy"])
    assert (root / "dvc.lock").read_text() == whole


def test_what_was_never_committed_is_made_again(root: Path) -> None:
    run_quietly(root, "git", "rm", "--quiet", "--cached", "dvc.lock")
    run_quietly(root, "git", "-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-m", "gone")
    (root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  copy: {")
    repro(root, ["copy"])
    assert "copy:" in (root / "dvc.lock").read_text()


@pytest.fixture
def held(root: Path) -> Iterator[None]:
    """Both locks of a DVC that is alive."""
    with (root / ".dvc/tmp/lock").open("a") as one, (root / ".dvc/tmp/rwlock.lock").open("a") as two:
        for file in (one, two):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("held")
def test_a_dvc_that_is_alive_is_not_disturbed(root: Path) -> None:
    for name in (".dvc/tmp/rwlock", "dvc.lock"):
        (root / name).write_text("{")
    mend(root)
    assert [(root / name).read_text() for name in (".dvc/tmp/rwlock", "dvc.lock")] == ["{", "{"]


def test_the_lock_of_a_killed_git_is_dropped_and_that_of_a_living_one_is_not(root: Path) -> None:
    lock = root / ".git" / "index.lock"
    lock.touch()
    with subprocess.Popen(("git", "cat-file", "--batch"), cwd=root, stdin=subprocess.PIPE) as alive:
        mend(root)
        assert lock.exists()
        alive.terminate()
    mend(root)
    assert not lock.exists()
