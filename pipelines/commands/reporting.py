"""Reporting: what others than those who run the loop need to decide."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import (
    JsonOption,
    OptionalTask,
    WorkspaceOption,
    services_at,
    show,
    tasks_of,
)


def pilot_report(
    out: Annotated[
        Path | None,
        typer.Option(help="folder for pilot.json, index.html and pilot.pdf; in .ctloop unless given"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a department needs to decide about the chest champion: a page, a PDF, and the data of both.

    The verdict is in the report: the exit code is 0 whenever it was written. It may run beside other jobs.

    Example: `ctloop pilot-report --out pilot-2026`
    """
    from pipelines.pilot.summary import as_text
    from pipelines.pilot_report import pilot_report as run

    services = services_at(workspace)
    content = run(
        services.workspace,
        registry=services.registry,
        store=services.store,
        out=out,
        today=datetime.now(UTC).date(),
    )
    show(content, as_json, as_text(content))


def dossier(
    task: OptionalTask = "",
    version: Annotated[
        int | None, typer.Option(min=1, help="number of the registered version; needs --task")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder for dossier.json and index.html; in .ctloop unless given")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Model card and quality dossier of a registered version, the one in use unless given: a page and its data.

    They were fixed in its package when it was registered; what the ledger says of the version since is added.

    Example: `ctloop dossier --task segmentation --version 3 --out audit`
    """
    from components.errors import ParameterError
    from pipelines.composition import MODEL_NAMES
    from pipelines.dossier import as_text
    from pipelines.dossier import dossier as run
    from pipelines.external_test import chosen_version

    services, tasks = services_at(workspace), tasks_of(task)
    if len(tasks) > 1 and (version is not None or out is not None):
        raise ParameterError(
            expected="--task with --version or --out", got="both tasks", hint="--task segmentation"
        )
    found = []
    for one in tasks:
        if len(tasks) > 1 and not services.registry.versions(MODEL_NAMES[one]):
            continue
        chosen = (
            services.version_in_use(one)
            if version is None
            else chosen_version(services.registry, MODEL_NAMES[one], number=version, alias=None)
        )
        found.append(
            run(services.workspace, one, chosen, registry=services.registry, ledger=services.store, out=out)
        )
    if not found:
        raise ParameterError(expected="a registered model", got="none of any task", hint="`ctloop loop`")
    show(found[0] if len(tasks) == 1 else found, as_json, "\n".join(map(as_text, found)))
