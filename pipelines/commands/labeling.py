"""Labeling: what experts are asked, and the ways in for their answers: a folder, or the answering page."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from pipelines.commands.options import (
    JsonOption,
    OptionalTask,
    WorkspaceOption,
    services_at,
    show,
    tasks_of,
    workspace_at,
)
from pipelines.lease import writes

requests_app = typer.Typer(
    help="Labeling requests: list them, export what an expert needs, cancel one.", no_args_is_help=True
)
labels_app = typer.Typer(help="Expert answers: import them as a new data version.", no_args_is_help=True)


@requests_app.command("list")
def list_requests(
    status: Annotated[str | None, typer.Option(help="open, answered or cancelled")] = None,
    task: OptionalTask = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which frames experts are asked about, and why."""
    from components.errors import ParameterError
    from components.labeling.request import Status
    from pipelines import requests

    if status is not None and status not in get_args(Status):
        raise ParameterError(expected="a status", got=repr(status), hint=", ".join(get_args(Status)))
    store, chosen, one = (
        services_at(workspace).store,
        cast("Status | None", status),
        tasks_of(task)[0] if task else None,
    )
    show(requests.list_requests(store, chosen, one), as_json, requests.requests_table(store, chosen, one))


@requests_app.command("export")
def export(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Pack image and pre-annotation of every open request."""
    from pipelines.requests import export_requests

    services = services_at(workspace)
    for one in tasks_of(task):
        for folder in export_requests(services.workspace, services.store.requests(status="open", task=one)):
            print(folder)


@requests_app.command("cancel")
def cancel(
    request: Annotated[str, typer.Argument(help="id of an open request")],
    reason: Annotated[str, typer.Option(help="why; the audit log keeps it")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw an open request: it takes no answer any more."""
    from components.labeling.request_row import request_row

    cancelled = services_at(workspace).store.cancel_request(request, because=reason)
    show(request_row(cancelled), as_json, f"{cancelled.id}: cancelled")


@labels_app.command("import")
@writes("ctloop labels import")
def import_(
    folder: Annotated[
        Path, typer.Argument(help="label maps named by request or frame; CSV tables of findings")
    ],
    annotator: Annotated[str, typer.Option(help="role or pseudonym of the person")] = "expert",
    minutes: Annotated[float | None, typer.Option(help="working time per answer")] = None,
    unasked: Annotated[bool, typer.Option(help="also take answers that no request asked for")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the answers in a folder and make a new data version of the accepted ones."""
    from pipelines.dvc_commands import add_version
    from pipelines.labels import import_labels

    services = services_at(workspace)
    report = import_labels(
        services.workspace, folder, services.store, services.store, annotator,
        add_version=partial(add_version, services.workspace.root), minutes=minutes, unasked=unasked,
    )  # fmt: skip
    show(report, as_json, str(report))
    if report.refused:
        raise typer.Exit(1)


@labels_app.command("reconcile")
@writes("ctloop labels reconcile")
def reconcile(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Make a data version of all accepted answers that have none yet, and look whether every answer is there.

    Exit code 0: all is well; 1: an accepted answer lies nowhere, or an error; 75: another job is at work.
    """
    from pipelines.labels import reconcile_labels

    report = reconcile_labels(services_at(workspace))
    show(report, as_json, str(report))
    if report.missing:
        raise typer.Exit(1)


def serve(
    port: Annotated[
        int | None, typer.Option(help="that of params.yaml unless given", min=1, max=65535)
    ] = None,
    host: Annotated[
        str, typer.Option(help="beyond loopback only with TLS, names and an admin who has a password")
    ] = "127.0.0.1",
    schedule: Annotated[
        bool, typer.Option("--schedule", help="run the jobs of `ctloop scheduler` beside it")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """The pages, on loopback, behind accounts; the first start prints a one-time link for the first admin.

    Programs (Slicer, OHIF, scripts) send a token: the workspace's, or one that a user made on the page.
    Examples: `ctloop serve`; `ctloop serve --port 9000 --schedule`
    """
    from pipelines.serve import serve as run

    run(workspace_at(workspace), host=host, port=port, schedule=schedule)
