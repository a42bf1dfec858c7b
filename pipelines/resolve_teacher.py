"""Resolve a teacher named by an alias or a command to a version and hash, before anything runs.

DVC sees files and parameters, neither a registry nor a program: a stage whose parameters say
``models:/NAME@champion`` would not notice that the champion changed, and one with a command not that the program
was updated. So every verb of ctloop that may run the stage first writes what the name stands for at this moment
into params.yaml. The stage uses that hash and no other: `dvc repro` by hand repeats the pinned teacher, a moved
alias makes the stage run again through ctloop, and the commit says which version taught.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.cohort.task import TASKS, Task
from components.errors import StateError, TeacherError
from components.registry.production import withdrawn
from pipelines.composition import Services
from pipelines.params import load_section
from pipelines.params_override import set_params
from pipelines.progress import say
from pipelines.pseudo_params import PseudoLabelParams
from pipelines.workspace import Workspace

_KEYS = ("resolved_version", "resolved_sha256")


def resolve_teacher(workspace: Workspace, tasks: Sequence[Task] = TASKS) -> bool:
    """Pin each ``teacher: registry`` and ``teacher: command`` in params.yaml; whether the file changed.

    Does nothing for other teachers. A program that is not on this machine stays as pinned: the stage fails if
    it needs it. Raises ``StateError`` when a registered model's name stands for nothing that ctloop registered, or
    for a version that was rolled back.
    """
    changed = False
    for task in tasks:
        params = load_section(PseudoLabelParams, workspace.params, "pseudo_label", task)
        pinned, name = _PINNED.get(params.teacher, _nothing)(params, workspace)
        if pinned and set_params(workspace.params, {"pseudo_label": {task: pinned}}, new_keys=_KEYS):
            say(f"teacher {name}, pinned in params.yaml")
            changed = True
    return changed


def _nothing(params: PseudoLabelParams, workspace: Workspace) -> tuple[dict[str, object], str]:
    return {}, ""


def _model(params: PseudoLabelParams, workspace: Workspace) -> tuple[dict[str, object], str]:
    from components.adapters.mlflow_registry import MlflowRegistry
    from components.adapters.registry_teacher import resolve

    registry = MlflowRegistry(uri=workspace.mlflow_uri, artifacts=workspace.mlflow_artifacts)
    version = resolve(registry, params.model)
    moves = Services(workspace).store.entries("promote", "rollback")
    if (reason := withdrawn(moves, version.name).get(version.version)) is not None:
        raise StateError(
            expected="a teacher that was not withdrawn",
            got=f"{version.name}/{version.version}, which was rolled back: {reason}",
            hint=f"`model: models:/{version.name}@champion`",
        )
    pinned: dict[str, object] = dict(zip(_KEYS, (version.version, version.package_hash), strict=True))
    return pinned, f"{params.model} is now {version.name}/{version.version}"


def _program(params: PseudoLabelParams, workspace: Workspace) -> tuple[dict[str, object], str]:
    from components.adapters.command_teacher import program_sha256

    try:
        sha256 = program_sha256(params.command, params.version_command)
    except TeacherError as error:
        say(f"warning: the teacher's program was not looked at: {error}")
        return {}, ""
    return {_KEYS[1]: sha256}, f"{params.command[0]} is of a version {sha256[:12]}"


_PINNED = {"registry": _model, "command": _program}
