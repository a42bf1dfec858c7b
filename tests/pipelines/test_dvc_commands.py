from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipelines.dvc_commands import commit_data, head


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A commit without a folder ``models``; the data have changed since."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "params.yaml").write_text("{}\n")
    (tmp_path / "notes.txt").write_text("first\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "--quiet", "-m", "start")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "batches.yaml").write_text("one\n")
    return tmp_path


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=root, check=True, capture_output=True, text=True).stdout


def committed(root: Path) -> list[str]:
    return git(root, "show", "--no-renames", "--name-only", "--format=", "HEAD").split()


def test_data_are_committed_before_there_is_a_model(root: Path) -> None:
    start = head(root)
    assert commit_data(root, "data") == head(root) != start
    assert committed(root) == ["data/batches.yaml"]
    assert commit_data(root, "nothing new") == head(root)
    assert git(root, "log", "-1", "--format=%an %s").strip() == "ctloop data"


def test_what_the_user_staged_stays_staged_and_uncommitted(root: Path) -> None:
    (root / "notes.txt").write_text("second\n")
    git(root, "add", "notes.txt")
    commit_data(root, "data")
    assert committed(root) == ["data/batches.yaml"]
    assert git(root, "status", "--porcelain").split() == ["M", "notes.txt"]
    assert git(root, "show", ":notes.txt") == "second\n"


def test_what_was_moved_or_removed_is_committed_too(root: Path) -> None:
    commit_data(root, "data")
    (root / "models").mkdir()
    (root / "data" / "batches.yaml").rename(root / "models" / "batches.yaml")
    commit_data(root, "moved")
    assert committed(root) == ["data/batches.yaml", "models/batches.yaml"]
    assert git(root, "status", "--porcelain") == ""
