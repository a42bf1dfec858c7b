"""Job: one turn of the loop on a source of real scans, from files to a gated model, verdicts and requests."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.adapters.parquet import read_parquet
from components.cohort.task import Task
from components.errors import StateError
from pipelines.add import add
from pipelines.answer_door import publish_waiting
from pipelines.batch_list import read_batches
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import commit_data, repro, require_branch
from pipelines.held_out import labelled_frames
from pipelines.params_override import override_params
from pipelines.progress import say
from pipelines.resolve_teacher import resolve_teacher
from pipelines.turn import Judged, ask_about_jumps, ask_for_audit, judge_and_promote, take_in, watch


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """What one turn gave for a task; ``note`` says why something could not be done."""

    task: Task
    judged: Judged | None
    watched: tuple[str, ...]
    note: str = ""


def loop(
    services: Services,
    *,
    source: Path,
    cases: Path | None = None,
    params: Path | None = None,
    tasks: Sequence[Task],
) -> tuple[TaskOutcome, ...]:
    """Take the scans in, learn from what is labelled, gate, watch the later batches, and ask experts.

    The first batch of each task is learned from; the model in use then watches the others. Safe to repeat:
    nothing that is up to date runs again, and nobody is asked twice. The report lies in
    ``.ctloop/reports/loop``.

    Args:
        source: folder with scans in any nesting.
        cases: cases table; ``source/cases.csv`` unless given.
        params: values over params.yaml; ``params.yaml`` beside the cases table unless given.
        tasks: which models.
    """
    from pipelines.loop_report import write_loop_report

    workspace = services.workspace
    require_branch(workspace.root)
    _apply(services, cases or source / "cases.csv", params)
    print(add(workspace, source=source, cases=cases, tasks=tasks))
    publish_waiting(services)
    resolve_teacher(workspace, tasks)
    outcomes = tuple(_turn(services, task) for task in tasks if read_batches(workspace).batches[task])
    commit_data(workspace.root, "One turn of the loop")
    page = write_loop_report(services, outcomes)
    for outcome in outcomes:
        print(f"{outcome.task}: {_words(outcome)}")
    print(
        f"report: {page}\nnext: ctloop requests list, ctloop serve, ctloop labels import DIR, ctloop retrain"
    )
    return outcomes


def _apply(services: Services, cases: Path, params: Path | None) -> None:
    beside = cases.with_name("params.yaml")
    values = params or (beside if beside.is_file() else None)
    if values is not None and override_params(services.workspace.params, values):
        say(f"params.yaml of the workspace now has the values of {values.name} beside the cases table")


def _turn(services: Services, task: Task) -> TaskOutcome:
    workspace = services.workspace
    take_in(services, (task,))
    ask_for_audit(services, task, now=_now)
    judged, note = _learn(services, task)
    if not services.registry.versions(MODEL_NAMES[task]):
        return TaskOutcome(task=task, judged=judged, watched=(), note=note)
    prepared = set(read_parquet(workspace.prepared(task) / "frames.parquet")["batch"])
    later = [batch.name for batch in read_batches(workspace).batches[task][1:] if batch.name in prepared]
    for batch in later:
        watch(services, task, batch, now=_now)
    return TaskOutcome(task=task, judged=judged, watched=tuple(later), note=note)


def _learn(services: Services, task: Task) -> tuple[Judged | None, str]:
    """Train and judge, unless there is nothing to learn from yet: then experts are asked first."""
    try:
        repro(services.workspace.root, [f"pseudo_label@{task}"])
        ask_about_jumps(services, task, now=_now)
        repro(services.workspace.root, [f"evaluate@{task}"])
    except StateError as error:
        if labelled_frames(services.workspace, task):
            raise
        return None, f"nothing to learn from yet: {error}"
    commit_data(services.workspace.root, f"Train the {task} model")
    return judge_and_promote(services, task), ""


def _words(outcome: TaskOutcome) -> str:
    if outcome.judged is None:
        return outcome.note
    judged = outcome.judged
    if judged.verdict is None:
        return judged.note
    return f"version {judged.version.version}, gate: {judged.verdict.outcome} ({judged.verdict.reason})"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
