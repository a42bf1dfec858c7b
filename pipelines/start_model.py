"""The package that a training goes on from, kept below the state folder and named by its hash."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from components.cohort.label_set import LABEL_SET_FILE, TaughtLabel, read_label_set
from components.cohort.task import Task
from components.errors import StateError
from pipelines.workspace import Workspace

Network = TypeVar("Network")
FILES = ("model.json", "weights.safetensors", LABEL_SET_FILE)
_LEAST = FILES[:2]


@dataclass(frozen=True, kw_only=True, eq=False)
class StartModel(Generic[Network]):
    """``labels``: that it was trained on; none are known of a package from before they were kept."""

    network: Network
    labels: tuple[TaughtLabel, ...]

    def knows(self, labels: Iterable[TaughtLabel]) -> frozenset[str]:
        """Names of those of ``labels`` that it was trained on, as they are."""
        before = {label.name: label for label in self.labels}
        return frozenset(
            label.name for label in labels if label.name in before and before[label.name].same_label(label)
        )


def keep_start(workspace: Workspace, task: Task, package: Path, package_hash: str) -> None:
    """Copy what a training needs of a fetched package to where the stage will look for it."""
    folder = _folder(workspace, task, package_hash)
    if folder.is_dir():
        return
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in FILES:
        if (package / name).is_file():
            shutil.copyfile(package / name, part / name)
    part.rename(folder)


def load_start_model(
    workspace: Workspace, task: Task, package_hash: str | None, label_names: tuple[str, ...]
) -> StartModel[Any]:
    """What ``keep_start`` kept.

    Raises ``StateError`` where nothing was kept, or the model has other labels than the data.
    """
    from components.models.package import load_network

    folder = _folder(workspace, task, package_hash or "none")
    if not all((folder / name).is_file() for name in _LEAST):
        raise StateError(
            expected=f"the {task} model {(package_hash or 'in use')[:12]} to go on from",
            got="nothing of it on this machine",
            hint="`ctloop retrain`, which fetches it, or `start: scratch` in section train of params.yaml",
        )
    network, description = load_network(folder)
    if tuple(description.label_names) != tuple(label_names):
        raise StateError(
            expected=f"a model of {', '.join(label_names)}",
            got=f"one of {', '.join(description.label_names)}",
            hint="`start: scratch` in section train of params.yaml",
        )
    known = folder / LABEL_SET_FILE
    labels = tuple(read_label_set(known.read_text())) if known.is_file() else ()
    return StartModel(network=network, labels=labels)


def _folder(workspace: Workspace, task: Task, package_hash: str) -> Path:
    return workspace.state / "starts" / f"{task}-{package_hash}"
