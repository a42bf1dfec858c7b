"""The ledger: what was decided, and that nobody has changed it since."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from pipelines.commands.options import (
    JsonOption,
    OptionalTask,
    WorkspaceOption,
    services_at,
    show,
    tasks_of,
)

NOT_AS_WRITTEN = 3

ledger_app = typer.Typer(
    help="The ledger: what was in production, when and why; and that nobody has changed the record.",
    no_args_is_help=True,
)


@ledger_app.command("verify")
def verify(
    head: Annotated[
        list[str] | None, typer.Option(help="an earlier head, as NUMBER:SHA256, that must be found again")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find any edit, deletion, insertion or reordering, and a registry that says something else.

    Each entry holds the hash of all before it. The head is kept in the state folder too, so that a tail that was cut
    off shows; who can write both can deceive both, so note heads elsewhere. Exit code 0: as it was written; 3: not, and
    the first bad entry is named; 1: an error.
    """
    from dataclasses import asdict

    from components.registry.chain import parse_head
    from pipelines.ledger import verify as run

    noted = [parse_head(text) for text in head or ()]
    found = run(services_at(workspace), noted)
    show({**asdict(found), "holds": found.holds}, as_json, str(found))
    if not found.holds:
        raise typer.Exit(NOT_AS_WRITTEN)


@ledger_app.command("show")
def show_(
    at: Annotated[
        str | None, typer.Option(help="moment with its time zone, as ISO 8601; now unless given")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="instead: all entries of this kind up to then, e.g. gate, promote, answer"),
    ] = None,
    task: OptionalTask = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was in production then, since when, why and by whom.

    Example: `ctloop ledger show --at 2026-03-01T12:00+01:00`
    """
    from components.errors import ParameterError
    from components.registry.ledger import EntryKind
    from components.registry.production import moment
    from pipelines import ledger

    when = moment(at) if at is not None else None
    services = services_at(workspace)
    if kind is None:
        answers = ledger.production(services, tasks_of(task), when)
        show(ledger.production_rows(answers), as_json, ledger.production_text(answers))
        return
    known: EntryKind | None = next((one for one in get_args(EntryKind) if one == kind), None)
    if known is None:
        raise ParameterError(expected="a kind of entry", got=repr(kind), hint=", ".join(get_args(EntryKind)))
    found = ledger.decisions(services, known, when)
    show([vars(entry) for entry in found], as_json, ledger.decisions_text(found))
