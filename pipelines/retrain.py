"""Job: retrain on the accepted answers, through the same DVC stages, in a temporary clone."""

from __future__ import annotations

import datetime

from components.cohort.task import Task
from pipelines.answer_door import publish_waiting
from pipelines.composition import Services
from pipelines.dvc_commands import commit_data, repro, require_branch, stages_of
from pipelines.resolve_teacher import resolve_teacher
from pipelines.temporary_clone import bring_back, temporary_clone
from pipelines.turn import ask_about_jumps
from pipelines.workspace import Workspace


def retrain(workspace: Workspace, task: Task) -> tuple[str, ...]:
    """Run the stages of ``task`` on all accepted answers; the names of the stages that ran.

    Their data version is made and committed first, with the version that a teacher's alias stands for; the
    outcome becomes one more commit on the workspace's branch. Killed half-way, it is simply called again:
    finished stages come from the DVC cache.
    """
    require_branch(workspace.root)
    services = Services(workspace)
    publish_waiting(services)
    resolve_teacher(workspace, (task,))
    commit_data(workspace.root, f"Data version for retraining the {task} model")
    with temporary_clone(workspace, f"retrain-{task}") as clone:
        ran = repro(clone.root, stages_of(task), env={"CTLOOP_STATE": str(workspace.state)})
        commit_data(clone.root, f"Retrain the {task} model")
        bring_back(workspace, clone)
    ask_about_jumps(services, task, now=lambda: datetime.datetime.now(datetime.UTC))
    return ran
