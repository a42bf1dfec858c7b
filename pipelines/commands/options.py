"""The options that several verbs share, and what they stand for."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from components.cohort.task import Task
    from pipelines.composition import Services
    from pipelines.workspace import Workspace

TaskOption = Annotated[str, typer.Option("--task", "-t", help="segmentation or classification")]
OptionalTask = Annotated[
    str, typer.Option("--task", "-t", help="segmentation or classification; both unless given")
]
WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="a clone of this repository; here unless given")
]
CasesOption = Annotated[
    Path | None, typer.Option(help="what files cannot say; SOURCE/cases.csv unless given")
]
ByOption = Annotated[
    str | None, typer.Option(help="role or pseudonym of who decides; the login name unless given")
]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON value on standard output")]


def who(by: str | None) -> str:
    """Who decides; the login name unless given, in a container without one the user's number."""
    import getpass
    import os

    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def workspace_at(root: Path | None) -> Workspace:
    """The workspace at ``root``, or here; ``StateError`` where there is none."""
    from pipelines.workspace import Workspace

    return Workspace.existing(root)


def services_at(root: Path | None) -> Services:
    """The stores of the workspace at ``root``, or here."""
    from pipelines.composition import Services

    return Services(workspace_at(root))


def tasks_of(task: str) -> tuple[Task, ...]:
    """The task of this name, or all for an empty one; ``ParameterError`` for another."""
    from components.cohort.task import TASKS
    from components.errors import ParameterError

    if not task:
        return TASKS
    for known in TASKS:
        if task == known:
            return (known,)
    raise ParameterError(expected="a task", got=repr(task), hint=" or ".join(TASKS))


def show(value: Any, as_json: bool, text: str) -> None:
    """Print ``value`` for a machine or ``text`` for a person."""
    if not as_json:
        print(text)
        return
    is_instance = dataclasses.is_dataclass(value) and not isinstance(value, type)
    plain = dataclasses.asdict(value) if is_instance else value
    print(json.dumps(plain, indent=1, sort_keys=True, default=str))
