"""The few DVC and git commands that ctloop runs, with this interpreter first on PATH.

DVC is called as a process: its Python API is not public, and what a killed one leaves can be mended.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from components.cohort.task import Task
from components.errors import StateError
from pipelines.leftovers import mend

STAGES = ("ingest", "prepare", "split", "pseudo_label", "train", "evaluate")
_COMMITTED = ("data", "models", "pipelines/params.yaml", "dvc.lock")


def repro(root: Path, targets: Sequence[str], *, env: dict[str, str] | None = None) -> tuple[str, ...]:
    """Bring ``targets`` (such as ``evaluate@segmentation``) up to date; the names of the stages that ran.

    What the stages print goes to standard error. Raises ``StateError`` when a stage fails.
    """
    mend(root)
    ran: list[str] = []
    command = [sys.executable, "-m", "dvc", "repro", *targets]
    with subprocess.Popen(
        command, cwd=root, env=_environment(env), stdout=subprocess.PIPE, stderr=sys.stderr, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", file=sys.stderr)
            ran += re.findall(r"Running stage '([^']+)'", line)
    if process.returncode:
        raise StateError(
            expected=f"`dvc repro {' '.join(targets)}` to finish",
            got=f"exit code {process.returncode} in {ran[-1] if ran else 'no stage'}",
            hint="reading the stage's message above, repairing it and running the same command again",
        )
    return tuple(ran)


def dvc(root: Path, *arguments: str) -> str:
    """Any other command of DVC; its standard output. Raises ``StateError`` with what it said."""
    mend(root)
    return run_quietly(root, sys.executable, "-m", "dvc", *arguments)


def stages_of(task: Task, *, until: str = "evaluate") -> tuple[str, ...]:
    """The stages of ``task`` up to ``until``, as DVC names them."""
    return tuple(f"{stage}@{task}" for stage in STAGES[: STAGES.index(until) + 1])


def add_version(root: Path, path: Path) -> str:
    """``dvc add PATH``: the new data version's hash."""
    dvc(root, "add", "--quiet", str(path.relative_to(root)))
    pointer = yaml.safe_load(path.with_name(path.name + ".dvc").read_text())
    return str(pointer["outs"][0]["md5"])


def commit_data(root: Path, message: str) -> str:
    """Commit data pointers, splits, metrics, parameters and the lock file; the commit's hash.

    What else the user has staged stays staged, and is in no commit of ours.
    """
    mend(root)
    run_quietly(root, "git", "add", "--", *(path for path in _COMMITTED if (root / path).exists()))
    names = run_quietly(
        root, "git", "diff", "--cached", "--name-only", "--no-renames", "-z", "--", *_COMMITTED
    )
    if changed := names.split("\0")[:-1]:
        command = ("commit", "--quiet", "--no-verify", "-m", message, "--", *changed)
        run_quietly(root, "git", "-c", "user.name=ctloop", "-c", "user.email=ctloop@localhost", *command)
    return head(root)


def require_branch(root: Path) -> None:
    """``StateError`` on a detached HEAD: commits made there are lost with the next checkout."""
    found = subprocess.run(
        ("git", "symbolic-ref", "--quiet", "HEAD"), cwd=root, capture_output=True, check=False
    )
    if found.returncode == 1:
        raise StateError(
            expected="a workspace on a branch", got="a detached HEAD", hint="`git switch -c our-hospital`"
        )


def head(root: Path) -> str:
    """The commit that the workspace stands on."""
    return run_quietly(root, "git", "rev-parse", "HEAD").strip()


def run_quietly(root: Path, *command: str, env: dict[str, str] | None = None) -> str:
    """Run a command in ``root``; its standard output. Raises ``StateError`` with what it said when it fails."""
    done = subprocess.run(
        command, cwd=root, env=_environment(env), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StateError(
            expected=f"`{' '.join(command[-4:])}` to succeed",
            got=(done.stderr or done.stdout).strip()[-500:] or f"exit code {done.returncode}",
            hint="`ctloop doctor`",
        )
    return done.stdout


def _environment(extra: dict[str, str] | None) -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **(extra or {})}
