"""The stages: each verb lets DVC bring its stage, and what it needs, up to date."""

from __future__ import annotations

from pathlib import Path

from pipelines.commands.options import OptionalTask, WorkspaceOption, tasks_of, workspace_at
from pipelines.lease import writes


@writes("ctloop ingest")
def ingest(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: read what was added; quarantine what cannot be trusted."""
    _reproduce("ingest", task, workspace)


@writes("ctloop prepare")
def prepare(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: canonical orientation and spacing, for frames and expert labels."""
    _reproduce("prepare", task, workspace)


@writes("ctloop split")
def split(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: draw the audit sample by patient; nobody ever changes sides."""
    _reproduce("split", task, workspace)


@writes("ctloop pseudo-label")
def pseudo_label(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: let the teacher label the frames."""
    _reproduce("pseudo_label", task, workspace)


@writes("ctloop train")
def train(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: train the student. Killed half-way, it resumes."""
    _reproduce("train", task, workspace)


@writes("ctloop evaluate")
def evaluate(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: judge the model on held-out patients with expert labels."""
    _reproduce("evaluate", task, workspace)


def _reproduce(stage: str, task: str, workspace: Path | None) -> None:
    from pipelines.dvc_commands import repro

    ran = repro(workspace_at(workspace).root, [f"{stage}@{name}" for name in tasks_of(task)])
    print(f"ran: {', '.join(ran)}" if ran else "nothing to do: everything is up to date")
