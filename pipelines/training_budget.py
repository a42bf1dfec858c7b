"""How long training takes here, and fewer epochs where a budget asks for it.

The share of the planned epochs is set before the training starts and stands in params.yaml: a clock that stopped it
would make each repetition another model.
"""

from __future__ import annotations

import json
import math
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


def keep_to_budget(workspace: Workspace, task: Task, minutes: float | None, *, pace: float | None) -> float:
    """Set ``epochs_share`` in the workspace's params.yaml to what fits ``minutes`` (``None``: all); that share.

    ``pace``: seconds per epoch; without one nothing is cut.
    """
    share = _share(workspace, task, minutes, pace)
    set_params(workspace.params, {"train": {task: {"epochs_share": share}}}, new_keys=("epochs_share",))
    return share


def cut(epochs: int, share: float) -> int:
    """So many of the ``epochs``; at least one where there are any."""
    return max(1, int(epochs * share + 1e-9)) if epochs else 0


def planned_epochs(section: Mapping[str, Any], *, share: float = 1.0) -> int:
    """Of the next training, cut to ``share``; ``section``: the task's section ``train``."""
    if (section.get("incremental") or {}).get("start") == "champion":
        return cut(int(section["incremental"]["epochs"]), share)
    plan = section["plan"]
    rounds = int(plan.get("rounds") or 1) * cut(int(plan["epochs"]), share)
    return rounds + cut(int(plan.get("fine_tune_epochs") or 0), share)


def _share(workspace: Workspace, task: Task, minutes: float | None, pace: float | None) -> float:
    if minutes is None:
        return 1.0
    if pace is None:
        say(f"retrain {task}: how long an epoch takes is not known before the first training, nothing is cut")
        return 1.0
    section = yaml.safe_load(workspace.params.read_text())["train"][task]
    planned, least = planned_epochs(section), planned_epochs(section, share=0.01)
    share = min(1.0, math.floor(6000.0 * minutes / (planned * pace)) / 100.0)
    if minutes * 60.0 < least * pace:
        say(
            f"retrain {task}: a budget of {minutes:.1f} minutes is shorter than the least that can be trained, "
            f"{least} epochs of {pace:.0f} seconds, which are trained all the same: "
            f"it needs {least * pace / 60:.1f} minutes, and {planned * pace / 60:.1f} for all {planned} epochs"
        )
    elif share < 1.0:
        say(
            f"retrain {task}: {planned} epochs would take {planned * pace / 60:.1f} minutes, "
            f"{share:.0%} of them fit the budget of {minutes:.1f}"
        )
    return max(share, 0.01)


def _file(workspace: Workspace, task: Task) -> Path:
    return workspace.state / "pace" / f"{task}.json"
