"""The package that a training goes on from, kept below the state folder and named by its hash."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

from components.cohort.label_set import LABEL_SET_FILE, TaughtLabel, read_label_set
from components.cohort.task import TASKS, Task
from components.errors import StateError
from components.registry.package import DOSSIER, LINEAGE, package_hash
from pipelines.workspace import Workspace

Network = TypeVar("Network")


@dataclass(frozen=True, kw_only=True, eq=False)
class StartModel(Generic[Network]):
    """Args:
    labels: that it was trained on; none are known of a package from before they were kept.
    validation_share: see ``validation_patients``: who of them taught neither it nor what it went on from.
    """

    network: Network
    labels: tuple[TaughtLabel, ...]
    validation_share: float

    def knows(self, labels: Iterable[TaughtLabel]) -> frozenset[str]:
        """Names of those of ``labels`` that it was trained on, as they are."""
        before = {label.name: label for label in self.labels}
        return frozenset(
            label.name for label in labels if label.name in before and before[label.name].same_label(label)
        )


def keep_start(workspace: Workspace, task: Task, package: Path, sha256: str) -> None:
    """Copy all that ``sha256`` covers of a fetched package to where the stage will look for it."""
    folder = _folder(workspace, task, sha256)
    if folder.is_dir() and package_hash(folder) == sha256:
        return
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(package, part, ignore=shutil.ignore_patterns(LINEAGE, DOSSIER))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def forget_starts(workspace: Workspace) -> int:
    """Remove the packages that no training of the workspace's parameters goes on from; how many these were.

    To be called under the workspace's lease: a retraining in its clone has other parameters.
    """
    sections = yaml.safe_load(workspace.params.read_text()).get("train") or {}
    begins = {task: (sections.get(task) or {}).get("incremental") or {} for task in TASKS}
    pinned = {
        _folder(workspace, task, str(begin.get("package_sha256")))
        for task, begin in begins.items()
        if begin.get("start") == "champion"
    }
    kept = workspace.state / "starts"
    left = [path for path in kept.iterdir() if path not in pinned] if kept.is_dir() else []
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return len(left)


def load_start_model(
    workspace: Workspace, task: Task, sha256: str | None, label_names: tuple[str, ...]
) -> StartModel[Any]:
    """What ``keep_start`` kept.

    Raises ``StateError`` where nothing was kept, it is not the package with the hash ``sha256``, or the model has
    other labels than the data.
    """
    from components.models.package import load_network

    folder = _folder(workspace, task, sha256 or "none")
    if not folder.is_dir():
        raise StateError(
            expected=f"the {task} model {(sha256 or 'in use')[:12]} to go on from",
            got="nothing of it on this machine",
            hint="`ctloop retrain`, which fetches it, or `start: scratch` in section train of params.yaml",
        )
    if (found := package_hash(folder)) != sha256:
        raise StateError(
            expected=f"the {task} package {(sha256 or 'none')[:12]} to go on from, as params.yaml pins it",
            got=f"{found[:12]}: a file of the copy was changed, added or lost",
            hint="`ctloop retrain`, which fetches it again",
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
    share = float(description.training.get("validation_share", 0.0))
    return StartModel(network=network, labels=labels, validation_share=share)


def _folder(workspace: Workspace, task: Task, sha256: str) -> Path:
    return workspace.state / "starts" / f"{task}-{sha256}"
