"""The stages: each verb lets DVC bring its stage, and what it needs, up to date."""

from __future__ import annotations

from pathlib import Path

from pipelines.commands.options import OptionalTask, WorkspaceOption, services_at, tasks_of, workspace_at
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
    """Stage: let the teacher label the frames; ask an expert where its labels jump within a beat."""
    from datetime import UTC, datetime

    from pipelines.turn import ask_about_jumps

    _reproduce("pseudo_label", task, workspace)
    services = services_at(workspace)
    for one in tasks_of(task):
        opened = ask_about_jumps(services, one, now=lambda: datetime.now(UTC))
        if opened:
            print(f"{len(opened)} new labeling requests: `ctloop requests list`")


@writes("ctloop train")
def train(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: train the student. Killed half-way, it resumes."""
    _reproduce("train", task, workspace)


@writes("ctloop evaluate")
def evaluate(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: judge the model on held-out patients with expert labels."""
    _reproduce("evaluate", task, workspace)


def _reproduce(stage: str, task: str, workspace: Path | None) -> None:
    from pipelines.dvc_commands import STAGES, repro
    from pipelines.resolve_teacher import resolve_teacher

    if STAGES.index(stage) >= STAGES.index("pseudo_label"):
        resolve_teacher(workspace_at(workspace), tasks_of(task))
    ran = repro(workspace_at(workspace).root, [f"{stage}@{name}" for name in tasks_of(task)])
    print(f"ran: {', '.join(ran)}" if ran else "nothing to do: everything is up to date")
