"""What runs by itself, and what is run so by others: cron, systemd, Kubernetes."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import JsonOption, OptionalTask, WorkspaceOption, services_at, show
from pipelines.lease import writes


def scheduler(
    once: Annotated[
        str | None,
        typer.Option(help="run this job now and end: monitor, score, retrain, reconcile, verify, clean_up"),
    ] = None,
    task: OptionalTask = "",
    queued: Annotated[bool, typer.Option("--queued", hidden=True)] = False,
    history: Annotated[
        int | None, typer.Option(min=1, help="show so many of the newest runs instead")
    ] = None,
    examples: Annotated[
        bool, typer.Option("--examples", help="show crontab, systemd timer and Kubernetes CronJob instead")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the jobs of params.yaml's section `scheduler` when they are due, until stopped.

    One run of a job at a time among all processes that share the database; missed, failed and killed runs are made up
    for. With --once the exit code is the job's own: 0 done; 1 failed; 3 a ledger that does not verify; 75 the job is at
    work elsewhere. Examples: `ctloop scheduler`; `ctloop scheduler --once retrain --task segmentation`
    """
    from pipelines import scheduler as jobs

    if examples:
        print(jobs.examples(), end="")
        return
    services = services_at(workspace)
    if history is not None:
        found = services.store.runs.runs(newest=history)
        show([vars(run) for run in found], as_json, jobs.history_text(found))
    elif once is None:
        jobs.scheduler(services)
    elif code := jobs.run_once(services, jobs.job_named(once, task), queued_only=queued):
        raise typer.Exit(code)


@writes("ctloop clean-up")
def clean_up(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Remove what killed jobs left, old logs, old packages of closed requests. Exit code 0; 75: a job is at work."""
    from pipelines.clean_up import clean_up as run

    services = services_at(workspace)
    cleaned = run(services.workspace, services.store)
    show(cleaned, as_json, str(cleaned))
