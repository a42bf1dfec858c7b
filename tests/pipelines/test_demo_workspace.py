"""The demo's clone holds the code as it stands, committed or not, and is made once."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipelines.demo_workspace import code_key, make_demo_clone


def repository(root: Path) -> Path:
    root.mkdir()
    (root / ".gitignore").write_text("/.ctloop/\n")
    (root / "kept.py").write_text("old")
    (root / "gone.py").write_text("old")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "start")):
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        subprocess.run(("git", *identity, *command), cwd=root, check=True)
    return root


def test_the_clone_has_uncommitted_changes_too(tmp_path: Path) -> None:
    root = repository(tmp_path / "root")
    (root / "kept.py").write_text("new")
    (root / "added.py").write_text("new")
    (root / "gone.py").unlink()
    target = root / ".ctloop" / "demo"
    make_demo_clone(root, target)
    assert (target / "kept.py").read_text() == "new"
    assert (target / "added.py").read_text() == "new"
    assert not (target / "gone.py").exists()
    status = subprocess.run(
        ("git", "status", "--porcelain"), cwd=target, capture_output=True, text=True, check=True
    )
    assert status.stdout == ""


def test_a_finished_clone_is_kept_and_a_half_made_one_is_not(tmp_path: Path) -> None:
    root, target = repository(tmp_path / "root"), tmp_path / "demo"
    target.mkdir()
    (target / "left-over").touch()
    make_demo_clone(root, target)
    assert not (target / "left-over").exists()
    (target / "result").touch()
    make_demo_clone(root, target)
    assert (target / "result").exists()


def test_the_key_follows_the_code(tmp_path: Path) -> None:
    root = repository(tmp_path / "root")
    before = code_key(root)
    assert code_key(root) == before
    (root / "kept.py").write_text("new")
    assert code_key(root) != before


def test_locks_of_a_killed_git_do_not_stop_the_next_run(tmp_path: Path) -> None:
    root, target = repository(tmp_path / "root"), tmp_path / "demo"
    make_demo_clone(root, target)
    for lock in ("index.lock", "refs/heads/demo.lock"):
        (target / ".git" / lock).touch()
    make_demo_clone(root, target)
    (target / "kept.py").write_text("newer")
    subprocess.run(("git", "commit", "--quiet", "--all", "-m", "goes on"), cwd=target, check=True)
