"""Reading: which study next, for a department."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pipelines.commands.options import JsonOption, TaskOption, WorkspaceOption, services_at, show, tasks_of


def reading_list(
    task: TaskOption = "classification",
    version: Annotated[int | None, typer.Option(min=1, help="number of the registered version")] = None,
    alias: Annotated[str | None, typer.Option(help="champion (unless given), challenger or previous")] = None,
    batch: Annotated[str | None, typer.Option(help="only its studies; all unread ones unless given")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="show at most so many rows")] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="compare with first in, first out, on held-out studies")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Unread chest studies by predicted urgency; it may run beside other jobs, and changes nothing they use.

    Studies of a patient with an open audit request are on the list too, but blinded: placed by arrival, without
    probabilities or findings, since labels given after a look at the model could not judge it.
    """
    from components.errors import ParameterError
    from pipelines.composition import MODEL_NAMES
    from pipelines.external_test import chosen_version
    from pipelines.reading_list import reading_list as run
    from pipelines.reading_list_text import as_text

    services, (one,) = services_at(workspace), tasks_of(task)
    if one != "classification":
        raise ParameterError(
            expected="--task classification", got=one, hint="`ctloop requests list`, for segmentation"
        )
    result = run(
        services.workspace,
        chosen_version(services.registry, MODEL_NAMES[one], number=version, alias=alias),
        registry=services.registry,
        store=services.store,
        load_predictor=services.load_predictor,
        batch=batch,
        limit=limit,
        simulate=simulate,
        today=datetime.now(UTC).date(),
    )
    show(result, as_json, f"{as_text(result)}\nreport: {result['report']}")
