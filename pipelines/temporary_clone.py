"""A clone of the workspace that shares its DVC cache, so that a job and a person never fight for DVC's lock."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import StateError
from pipelines.dvc_commands import dvc, run_quietly
from pipelines.workspace import Workspace


@contextmanager
def temporary_clone(
    workspace: Workspace, name: str, *, state: Path | None = None, revision: str | None = None
) -> Iterator[Workspace]:
    """A clone of the workspace under its state folder, with its data checked out.

    The clone is removed at the end, and a clone that a killed run left is removed at the start: all work that counts
    is in the cache.

    Args:
        state: the state folder that the clone uses; the workspace's own unless given.
        revision: the commit that it stands at, the last one unless given; ``StateError`` where there is no such.
    """
    root = workspace.state / "clones" / name
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    try:
        _make(workspace, root, revision)
        yield Workspace(root=root, state=state or workspace.state)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _make(workspace: Workspace, root: Path, revision: str | None) -> None:
    run_quietly(workspace.root, "git", "clone", "--quiet", "--shared", str(workspace.root), str(root))
    if revision is not None:
        _check_out(root, revision)
    cache = dvc(workspace.root, "cache", "dir").strip()
    local = root / ".dvc" / "config.local"
    local.write_text(f"[cache]\n    dir = {(workspace.root / cache).resolve()}\n")
    dvc(root, "checkout", "--quiet", "--allow-missing")


def _check_out(root: Path, revision: str) -> None:
    try:
        run_quietly(root, "git", "checkout", "--quiet", "--detach", revision)
    except StateError as error:
        raise StateError(
            expected=f"the commit {revision[:12]} in this workspace",
            got="no such commit: it was made in a clone that is gone, or the branch was rewritten",
            hint="`git log --all`, or restoring the workspace from its backup",
        ) from error


def bring_back(workspace: Workspace, clone: Workspace) -> None:
    """Fast-forward the workspace's branch to the clone's commit and check the outputs of its stages out.

    What was put in meanwhile, an answer on the page say, stays where it lies.
    Raises ``StateError`` when the workspace has moved on meanwhile: nothing of either side is changed then.
    """
    run_quietly(workspace.root, "git", "fetch", "--quiet", str(clone.root), "HEAD")
    merge = subprocess.run(
        ("git", "merge", "--quiet", "--ff-only", "FETCH_HEAD"),
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if merge.returncode:
        raise StateError(
            expected="a workspace that stands where the retraining started",
            got=merge.stderr.strip()[-300:],
            hint="committing or reverting your own changes, then `ctloop retrain` (its stages are cached)",
        )
    dvc(workspace.root, "checkout", "--quiet", "--allow-missing", "dvc.yaml")
