"""The demo's own clone: the code as it stands here, with a state, a database and models of its own."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from pipelines.dvc_commands import run_quietly
from pipelines.leftovers import drop_git_locks


def code_key(root: Path) -> str:
    """sha256 of the files that git tracks or would track, as they stand: which code the demo shows."""
    digest = hashlib.sha256()
    for name in _files(root):
        digest.update(name.encode() + b"\0" + hashlib.sha256((root / name).read_bytes()).digest())
    return digest.hexdigest()[:16]


def make_demo_clone(root: Path, target: Path) -> None:
    """Clone ``root`` to ``target`` on a branch of its own, with changes that are not committed yet.

    A clone that a killed run left half-made is made again; the marker is written last.
    """
    marker = target / ".git" / "ctloop-demo"
    if marker.exists():
        drop_git_locks(target / ".git")
        return
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    run_quietly(root, "git", "clone", "--quiet", str(root), str(target))
    run_quietly(target, "git", "switch", "--quiet", "--create", "demo")
    _copy_changes(root, target)
    for key, value in (("user.name", "ctloop"), ("user.email", "ctloop@localhost")):
        run_quietly(target, "git", "config", key, value)
    run_quietly(target, "git", "add", "--all")
    if subprocess.run(("git", "diff", "--cached", "--quiet"), cwd=target, check=False).returncode:
        run_quietly(target, "git", "commit", "--quiet", "--no-verify", "-m", "The code as it stands")
    marker.touch()


def _copy_changes(root: Path, target: Path) -> None:
    kept = set(_files(root))
    for name in _files(target):
        if name not in kept:
            (target / name).unlink()
    for name in kept:
        destination = target / name
        if not destination.exists() or destination.read_bytes() != (root / name).read_bytes():
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, destination)


def _files(root: Path) -> list[str]:
    listed = run_quietly(root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return sorted(name for name in listed.split("\0") if name and (root / name).is_file())
