"""Reporting: what others than those who run the loop need to decide."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import JsonOption, WorkspaceOption, services_at, show


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
