"""Job: retrain on the accepted answers, through the same DVC stages, in a temporary clone."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from components.cohort.label_set import LABEL_SET_FILE, LabelSetDiff
from components.cohort.task import Task
from pipelines.answer_door import publish_waiting
from pipelines.candidates import Comparison, train_candidates
from pipelines.candidates_log import log_candidates
from pipelines.composition import Services
from pipelines.dvc_commands import commit_data, repro, require_branch, stages_of
from pipelines.label_set_diff import coming_diff, trained_diff
from pipelines.params import load_section
from pipelines.progress import say, write_json
from pipelines.resolve_teacher import resolve_teacher
from pipelines.retrain_params import RetrainParams
from pipelines.temporary_clone import bring_back, temporary_clone
from pipelines.turn import ask_about_jumps
from pipelines.validation import Judge, validation_score
from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """One retraining.

    Args:
        ran: names of the stages that ran, of all candidates and of the challenger's evaluation.
        labels: what it learned from that the champion did not; ``None`` where no split was there to tell by.
        folder: what is kept of it: labels.json, candidates.json.
        comparison: of the candidates that were trained, one of which is the challenger.
    """

    ran: tuple[str, ...]
    labels: LabelSetDiff | None
    folder: Path
    comparison: Comparison


def retrain(workspace: Workspace, task: Task, *, judge: Judge = validation_score) -> Retrained:
    """Run the stages of ``task`` on all accepted answers, and say before what is new about the labels.

    Their data version is made and committed first, with the version that a teacher's alias stands for; the
    outcome becomes one more commit on the workspace's branch. Killed half-way, it is simply called again:
    finished stages come from the DVC cache. ``judge`` scores several candidates on the validation patients.
    """
    require_branch(workspace.root)
    services = Services(workspace)
    publish_waiting(services)
    resolve_teacher(workspace, (task,))
    version = commit_data(workspace.root, f"Data version for retraining the {task} model")
    folder = retraining_folder(workspace, task, version)
    labels = _show_labels(services, task, folder)
    params = load_section(RetrainParams, workspace.params, "retrain", task)
    with temporary_clone(workspace, f"retrain-{task}") as clone:
        compared = train_candidates(services, clone, task, params, judge)
        evaluated = repro(clone.root, stages_of(task), env={"CTLOOP_STATE": str(workspace.state)})
        commit_data(clone.root, f"Retrain the {task} model from {compared.best.start}")
        bring_back(workspace, clone)
    write_json(folder / "candidates.json", compared.as_json())
    if len(params.candidates) > 1:
        say(compared.words())
        log_candidates(workspace, task, params, compared, version=version, table=folder / "candidates.json")
    if (workspace.model(task) / LABEL_SET_FILE).is_file():
        labels = trained_diff(services, task)
        write_json(folder / "labels.json", labels.as_json())
    ask_about_jumps(services, task, now=lambda: datetime.datetime.now(datetime.UTC))
    ran = (*(stage for one in compared.candidates for stage in one.ran), *evaluated)
    return Retrained(ran=ran, labels=labels, folder=folder, comparison=compared)


def retraining_folder(workspace: Workspace, task: Task, version: str) -> Path:
    """Where a retraining from the data version (a commit) ``version`` keeps what people may ask of it."""
    return workspace.reports / "retrain" / f"{task}-{version[:12]}"


def _show_labels(services: Services, task: Task, folder: Path) -> LabelSetDiff | None:
    if not services.workspace.split(task).is_file():
        return None
    labels = coming_diff(services, task)
    say(f"retrain {task}: {labels.words()}")
    write_json(folder / "labels.json", labels.as_json())
    return labels
