"""The candidates of a retraining: each trained in the same clone, compared on the same held-out patients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.cohort.task import Task
from components.models.training_plan import Start
from components.registry.registry import ModelVersion
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import commit_data, dvc, repro, run_quietly, stages_of
from pipelines.params_override import set_params
from pipelines.progress import say
from pipelines.retrain_params import RetrainParams
from pipelines.start_model import keep_start
from pipelines.training_budget import keep_to_budget, seconds_per_epoch
from pipelines.workspace import Workspace

_SCORE: dict[Task, tuple[str, str]] = {"segmentation": ("dice", "mean"), "classification": ("auroc", "macro")}
_KEYS = ("incremental", "start", "package_sha256")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One that was trained.

    Args:
        start: where it began.
        commit: of the clone, with its parameters and lock file.
        ran: names of the stages that ran.
        metric: that candidates are compared by, as ``evaluate`` names it.
        value, low, high: on the held-out patients, with the interval; ``None`` where nobody is held out.
    """

    start: Start
    commit: str
    ran: tuple[str, ...]
    metric: str
    value: float | None
    low: float | None
    high: float | None
    patients: int

    def row(self) -> dict[str, Any]:
        return asdict(self)


def train_candidates(
    services: Services, clone: Workspace, task: Task, params: RetrainParams
) -> tuple[Candidate, ...]:
    """In the order of the parameters; one that goes on from a champion is left out where there is none.

    The budget is shared evenly.
    """
    starts = [start for start in params.candidates if start == "scratch" or _champion(services, task)]
    if skipped := sorted(set(params.candidates) - set(starts)):
        say(f"retrain {task}: no version is in use, so no candidate from {', '.join(skipped)}")
    minutes = None if params.budget_minutes is None else params.budget_minutes / max(len(starts), 1)
    return tuple(_train(services, clone, task, start, minutes) for start in starts or ["scratch"])


def choose(clone: Workspace, candidates: Sequence[Candidate]) -> Candidate:
    """The best by its value, the earlier one of equals; the clone then stands where that one was committed."""
    best = max(candidates, key=lambda one: -1.0 if one.value is None else one.value)
    if best is not candidates[-1]:
        run_quietly(clone.root, "git", "reset", "--quiet", "--hard", best.commit)
        dvc(clone.root, "checkout", "--quiet", "--allow-missing")
    return best


def table(candidates: Sequence[Candidate], best: Candidate) -> str:
    """A line for each, for a person."""
    lines = [f"candidates, {best.metric} on {best.patients} held-out patients:"]
    for one in candidates:
        value = "–" if one.value is None else f"{one.value:.3f}"
        ends = "" if one.low is None or one.high is None else f" ({one.low:.3f} to {one.high:.3f})"
        lines.append(f"  from {one.start}: {value}{ends}{'  ← the challenger' if one is best else ''}")
    return "\n".join(lines)


def _train(
    services: Services, clone: Workspace, task: Task, start: Start, minutes: float | None
) -> Candidate:
    set_params(
        clone.params, {"train": {task: {"incremental": _begin(services, task, start)}}}, new_keys=_KEYS
    )
    keep_to_budget(clone, task, minutes, pace=seconds_per_epoch(services.workspace, task))
    ran = repro(clone.root, stages_of(task), env={"CTLOOP_STATE": str(services.workspace.state)})
    commit = commit_data(clone.root, f"Retrain the {task} model from {start}")
    section, name = _SCORE[task]
    metrics = json.loads(clone.metrics(task).read_text()) if clone.metrics(task).is_file() else {}
    found = (metrics.get(section) or {}).get(name) or {}
    return Candidate(
        start=start,
        commit=commit,
        ran=ran,
        metric=f"{section}/{name}",
        value=found.get("value"),
        low=found.get("low"),
        high=found.get("high"),
        patients=int(found.get("patients") or 0),
    )


def _begin(services: Services, task: Task, start: Start) -> dict[str, Any]:
    """Section ``incremental`` of a candidate; the package that goes on is kept where the stage will look for it."""
    if start == "scratch":
        return {"start": start}
    champion = _champion(services, task)
    assert champion is not None, "candidates without one were left out"
    package = services.registry.fetch(champion)
    keep_start(services.workspace, task, package, champion.package_hash)
    return {"start": start, "package_sha256": champion.package_hash}


def _champion(services: Services, task: Task) -> ModelVersion | None:
    return services.registry.by_alias(MODEL_NAMES[task], "champion")
