"""Where a classifier looks: the slices behind what it says of one scan, and whether that is true."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import JsonOption, WorkspaceOption, services_at, show
from pipelines.lease import writes


@writes("ctloop where-to-look")
def where_to_look(
    case: Annotated[str | None, typer.Argument(help="case_id or frame_id of a prepared scan")] = None,
    finding: Annotated[str | None, typer.Option(help="those that the model calls unless given")] = None,
    out: Annotated[Path | None, typer.Option(help="folder of the page; in the reports unless given")] = None,
    check: Annotated[
        str | None,
        typer.Option(
            help="instead of a case: the deletion test on the held-out scans. features (fast) or slices"
        ),
    ] = None,
    version: Annotated[int | None, typer.Option(min=1, help="number of the registered version")] = None,
    alias: Annotated[str | None, typer.Option(help="champion (unless given), challenger or previous")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which slices of a scan made the classifier say so. Example: `ctloop where-to-look CASE`."""
    from components.errors import ParameterError
    from pipelines import where_to_look as job
    from pipelines.composition import MODEL_NAMES
    from pipelines.external_test import chosen_version
    from pipelines.relevance_check import check_table, relevance_check

    if (case is None) == (check is None):
        raise ParameterError(
            expected="CASE or --check LEVEL", got="both" if case else "neither", hint="one of them"
        )
    services = services_at(workspace)
    chosen = chosen_version(services.registry, MODEL_NAMES["classification"], number=version, alias=alias)
    if check is not None:
        result = relevance_check(
            services.workspace, chosen, check, registry=services.registry, load_predictor=services.load_predictor
        )  # fmt: skip
        show(result, as_json, f"{check_table(result)}\nreport: {result['report']}")
        return
    assert case is not None
    result = job.where_to_look(
        services.workspace, chosen, case, finding=finding, out=out, registry=services.registry,
        load_predictor=services.load_predictor,
    )  # fmt: skip
    show(result, as_json, f"{job.headline(result)}\nreport: {result['report']}")
