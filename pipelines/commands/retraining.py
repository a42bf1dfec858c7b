"""Retraining: what it would learn, and the run itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import JsonOption, TaskOption, WorkspaceOption, services_at, show, tasks_of
from pipelines.lease import writes


def retrain(
    task: TaskOption,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="only say what labels are new, gone or replaced for the champion"),
    ] = False,
    automatic: Annotated[
        bool,
        typer.Option(
            help="promote a challenger that passes the gate; else only within the limits of the dossier in use"
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retrain on the accepted answers, register, and put the challenger to the gate.

    Says first which labels are new, gone or replaced against the champion's; `--dry-run` says that alone.
    """
    if dry_run:
        from pipelines.label_set_diff import coming_diff

        services, (one,) = services_at(workspace), tasks_of(task)
        labels = coming_diff(services, one)
        show({"labels": labels.as_json()}, as_json, labels.words())
        return
    _retrain(task=task, automatic=automatic, workspace=workspace, as_json=as_json)


@writes("ctloop retrain")
def _retrain(*, task: str, automatic: bool, workspace: Path | None, as_json: bool) -> None:
    from pipelines.retrain import retrain as run
    from pipelines.turn import judge_and_promote

    services, (one,) = services_at(workspace), tasks_of(task)
    trained = run(services.workspace, one)
    judged = judge_and_promote(services, one, automatic=automatic)
    verdict = judged.verdict
    gated = verdict and f"version {judged.version.version}: {verdict.outcome}: {verdict.reason}"
    facts = {
        "ran": trained.ran,
        "comparison": trained.comparison.as_json(),
        "labels": trained.labels and trained.labels.as_json(),
        "version": judged.version.version,
        "promoted": judged.promoted,
        "verdict": verdict and verdict.as_json(),
        "note": judged.note,
        "kept_at": trained.folder,
    }
    show(facts, as_json, "\n".join(words for words in (gated, judged.note) if words))
