"""How long training takes here, and fewer epochs where a budget asks for it.

Epochs are cut before the training starts and stand in params.yaml: a clock that stopped it would make each repetition
another model.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from components.cohort.task import Task
from pipelines.params_override import set_params
from pipelines.progress import say, write_json
from pipelines.workspace import Workspace

OnEpoch = Callable[[str, int, float], None]


class Pace:
    """Passes epochs on to ``on_epoch``, and keeps how long one takes on this machine."""

    def __init__(self, workspace: Workspace, task: Task, on_epoch: OnEpoch) -> None:
        self._file, self._on_epoch = _file(workspace, task), on_epoch
        self._seconds: list[float] = []
        self._last = time.monotonic()

    def __call__(self, step: str, epoch: int, loss: float) -> None:
        now = time.monotonic()
        self._seconds.append(now - self._last)
        self._last = now
        self._on_epoch(step, epoch, loss)

    def keep(self) -> None:
        """The median, once there are two epochs: the first one compiles."""
        if len(self._seconds) > 1:
            write_json(self._file, {"seconds_per_epoch": round(statistics.median(self._seconds[1:]), 3)})


def seconds_per_epoch(workspace: Workspace, task: Task) -> float | None:
    """``None`` before the first training."""
    path = _file(workspace, task)
    return float(json.loads(path.read_text())["seconds_per_epoch"]) if path.is_file() else None


def keep_to_budget(workspace: Workspace, task: Task, minutes: float, *, pace: float | None) -> bool:
    """Cut the epochs in the workspace's params.yaml to what fits ``minutes``; whether anything was cut.

    Every step keeps at least one epoch. ``pace``: seconds per epoch; without one nothing is cut.
    """
    section = yaml.safe_load(workspace.params.read_text())["train"][task]
    epochs = planned_epochs(section)
    planned = sum(epochs.values())
    if pace is None:
        say(f"retrain {task}: how long an epoch takes is not known before the first training, nothing is cut")
        return False
    if planned * pace <= 60.0 * minutes:
        return False
    share = 60.0 * minutes / (planned * pace)
    cut = {path: max(1, int(count * share)) for path, count in epochs.items()}
    say(
        f"retrain {task}: {planned} epochs would take {planned * pace / 60:.1f} minutes, "
        f"{sum(cut.values())} fit the budget of {minutes:.1f}"
    )
    return set_params(workspace.params, {"train": {task: _tree(cut)}})


def planned_epochs(section: Mapping[str, Any]) -> dict[tuple[str, ...], int]:
    """Path of each number of epochs in the task's section ``train`` that the next training takes → that number."""
    if (section.get("incremental") or {}).get("start") == "champion":
        return {("incremental", "epochs"): int(section["incremental"]["epochs"])}
    names = ("epochs", "fine_tune_epochs")
    return {("plan", name): int(section["plan"][name]) for name in names if section["plan"].get(name)}


def _tree(values: Mapping[tuple[str, ...], int]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for (section, name), value in values.items():
        tree.setdefault(section, {})[name] = value
    return tree


def _file(workspace: Workspace, task: Task) -> Path:
    return workspace.state / "pace" / f"{task}.json"
