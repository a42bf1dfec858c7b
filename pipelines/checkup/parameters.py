"""What the doctor checks in params.yaml: every section, and the teacher that it names."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, cast

import yaml

import pipelines
from components.cohort.task import TASKS
from components.errors import CtloopError
from components.operations.monitor_window import MonitorParams
from pipelines.checkup.check import Check, CheckOf
from pipelines.params import load_section
from pipelines.pseudo_params import PseudoLabelParams
from pipelines.workspace import Workspace


def parameters(workspace: Workspace) -> Check:
    """Every section parses strictly as the dataclass that its stage or job reads."""
    tree = yaml.safe_load(workspace.params.read_text())
    wrong = [message for section in tree for message in _faults(workspace, section, tree[section])]
    return Check(
        name="parameters",
        ok=not wrong,
        found="; ".join(wrong) if wrong else f"{len(tree)} sections parse",
        fix="correcting pipelines/params.yaml as the message says",
    )


def _faults(workspace: Workspace, section: str, values: Any) -> list[str]:
    per_task = isinstance(values, dict) and bool(values) and set(values) <= set(TASKS)
    found = []
    for task in TASKS if per_task else (None,):
        cls = _params_of(section, task)
        if cls is None:
            return [f"no stage or job reads the section {section!r}"]
        try:
            load_section(cls, workspace.params, section, task)
        except CtloopError as error:
            found.append(str(error))
    return found


def _params_of(section: str, task: str | None) -> type[Any] | None:
    """The dataclass that some module here reads the section as; of several, the one named after the task."""
    reads = re.compile(rf'load_section\(\s*(\w+),\s*[\w.]+,\s*"{section}"')
    found = [
        (path.stem, name)
        for path in sorted(Path(pipelines.__path__[0]).glob("*.py"))
        for name in reads.findall(path.read_text())
    ]
    for module, name in sorted(found, key=lambda one: not one[1].lower().startswith(task or "")):
        # a name that is imported where it is used cannot be asked for; its own module has it
        if (cls := getattr(importlib.import_module(f"pipelines.{module}"), name, None)) is not None:
            return cast(type[Any], cls)
    return None


def teacher(workspace: Workspace) -> Check:
    """The bundle is there and its content is the trusted one; the actual hash is shown."""
    params = load_section(PseudoLabelParams, workspace.params, "pseudo_label", "segmentation")
    if params.teacher == "command":
        import shutil

        ok = bool(params.command) and shutil.which(params.command[0]) is not None
        found = params.command[0] if params.command else "no command"
        return Check(name="teacher", ok=ok, found=found, fix="installing the program, or its full path")
    if params.teacher == "registry":
        return _registered_teacher(params)
    if params.teacher == "rule":
        found = f"rules for {', '.join(params.rules)}" if params.rules else "no rules"
        return Check(name="teacher", ok=bool(params.rules), found=found, fix="adding rules, see params.yaml")
    if params.teacher == "none":
        return Check(name="teacher", ok=True, found="none", fix="nothing")
    from components.adapters.bundle_content import trusted_hash

    actual = trusted_hash(workspace.root / params.bundle)
    ok = actual == params.trusted_sha256
    return Check(
        name="teacher",
        ok=ok,
        found=f"{params.bundle} with content {actual}",
        fix=f"pseudo_label.segmentation.trusted_sha256: {actual}, if you trust its code",
    )


def _registered_teacher(params: PseudoLabelParams) -> Check:
    pinned = f"version {params.resolved_version}, {params.resolved_sha256[:12]}"
    return Check(
        name="teacher",
        ok=bool(params.resolved_sha256),
        found=f"{params.model}: {pinned if params.resolved_sha256 else 'not resolved yet'}",
        fix="`ctloop pseudo-label`, which writes what the name stands for into params.yaml",
    )


def strategy(workspace: Workspace) -> Check:
    """Somebody has the strategy that the monitor chooses cases by."""
    from pipelines.acquisition import acquisition_of

    try:
        name = load_section(MonitorParams, workspace.params, "monitor").strategy
        acquisition_of(workspace, "segmentation", strategy=name)
    except CtloopError as error:
        return Check(name="strategy", ok=False, found=str(error), fix="correcting monitor.strategy")
    return Check(name="strategy", ok=True, found=name, fix="nothing")


PARAMETER_CHECKS: tuple[CheckOf, ...] = (parameters, teacher, strategy)
