"""The candidates of a retraining: trained in one clone without the validation patients, who choose the challenger.

The frozen test set sees the chosen one alone, so that its gate is that of a single try.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from components.cohort.task import Task
from components.models.description import training_facts
from components.models.training_plan import Start
from components.registry.registry import ModelVersion
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import dvc, repro, stages_of
from pipelines.params_override import set_params
from pipelines.retrain_params import RetrainParams
from pipelines.start_model import keep_start
from pipelines.training_budget import keep_to_budget, seconds_per_epoch
from pipelines.validation import Judge, Score, judging_frames
from pipelines.workspace import Workspace

_KEYS = ("incremental", "start", "package_sha256", "validation_share")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One that was trained.

    Args:
        start: where it began.
        ran: names of the stages that ran.
        score: on the validation patients; ``None`` where it was not compared.
        steps: of the optimiser on labels; ``None`` where the model does not say.
        minutes: that its training took; ``None`` where it came from DVC's cache.
        params, lock: params.yaml and dvc.lock of the clone that holds it.
    """

    start: Start
    ran: tuple[str, ...]
    score: Score | None
    steps: int | None
    minutes: float | None
    params: bytes
    lock: bytes

    def row(self) -> dict[str, Any]:
        score = None if self.score is None else asdict(self.score)
        return {"start": self.start, "score": score, "steps": self.steps, "minutes": self.minutes}

    def words(self) -> str:
        """A line."""
        value = "–" if self.score is None or self.score.value is None else f"{self.score.value:.3f}"
        known = self.score is not None and self.score.low is not None and self.score.high is not None
        ends = f" ({self.score.low:.3f} to {self.score.high:.3f})" if known and self.score else ""
        took = "from the cache" if self.minutes is None else f"{self.minutes:.1f} minutes"
        steps = "" if self.steps is None else f", {self.steps} steps"
        return f"  from {self.start}: {value}{ends}{steps}, {took}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Of the candidates that were trained.

    Args:
        best: the challenger; the earlier one of equals.
        share: of the training patients who were set aside, see ``validation_patients``; 0 where one was asked for.
        patients: of them, who can judge every candidate.
        note: why nobody was compared, else empty.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate
    share: float
    patients: int
    note: str

    def as_json(self) -> dict[str, Any]:
        return {
            "compared": len(self.candidates) > 1 and not self.note,
            "note": self.note,
            "validation_share": self.share,
            "validation_patients": self.patients,
            "trained_with_validation_patients": not self.share,
            "candidates": [one.row() | {"chosen": one is self.best} for one in self.candidates],
        }

    def words(self) -> str:
        """A table for a person."""
        first, count = self.candidates[0], len(self.candidates)
        metric = f", {first.score.metric} on {self.patients} validation patients" if first.score else ""
        lines = [one.words() + ("  ← the challenger" if one is self.best else "") for one in self.candidates]
        notes = [f"  not compared: {self.note}"] if self.note else []
        aside = f"  trained without the validation patients, {self.share:.0%} of the training patients"
        return "\n".join([f"candidates ({count}{metric}):", *lines, *notes, aside])


@dataclass(frozen=True, kw_only=True, eq=False)
class Contest:
    """Which candidates are trained, and who chooses.

    Args:
        package: of the ``champion``, which goes on in the candidate that starts from it.
        frames: that judge; ``None`` where nothing is compared.
        patients: of the validation patients with an expert's label, whom no candidate knows.
        note: why nothing is compared, of several candidates.
    """

    starts: tuple[Start, ...]
    champion: ModelVersion | None
    package: Path | None
    frames: pd.DataFrame | None
    patients: int = 0
    note: str = ""


def train_candidates(
    services: Services, clone: Workspace, task: Task, params: RetrainParams, judge: Judge
) -> Comparison:
    """Train those of the parameters, in their order, and leave the clone with the best on the validation patients.

    Without a version in use there is none that goes on from it; with fewer than ``min_validation_patients`` whom no
    candidate can know, only the first is trained. The budget is shared evenly.
    """
    prepared = repro(clone.root, stages_of(task, until="pseudo_label"), env=_state(services))
    contest = contest_of(services, clone, task, params)
    minutes = None if params.budget_minutes is None else params.budget_minutes / len(contest.starts)
    found: list[Candidate] = []
    for start in contest.starts:
        _set(services, clone, task, start, contest, params.share)
        keep_to_budget(clone, task, minutes, pace=seconds_per_epoch(services.workspace, task))
        trained = _train(services, clone, task, start, contest.frames, judge)
        found.append(trained if found else replace(trained, ran=(*prepared, *trained.ran)))
    note = contest.note
    if len(found) > 1 and all(one.score is None or one.score.value is None for one in found):
        note = "the experts' labels of the validation patients can judge no structure or finding"
    return Comparison(
        candidates=tuple(found), best=_choose(clone, found), share=params.share, patients=contest.patients,
        note=note,
    )  # fmt: skip


def contest_of(services: Services, clone: Workspace, task: Task, params: RetrainParams) -> Contest:
    """By the clone's split and labels, and by what the package in use says of its own validation patients."""
    champion, package, known = None, None, params.share
    if "champion" in params.candidates:
        champion = services.registry.by_alias(MODEL_NAMES[task], "champion")
    if champion is not None:
        package = services.registry.fetch(champion)
        known = min(known, float(training_facts(package).get("validation_share", 0.0)))
    starts = tuple(one for one in params.candidates if one == "scratch" or champion) or ("scratch",)
    if len(params.candidates) == 1:
        return Contest(starts=starts, champion=champion, package=package, frames=None)
    frames = judging_frames(clone, task, known)
    patients = int(frames["patient_id"].nunique())
    note = ""
    if len(starts) == 1:
        note = "no version is in use to go on from"
    elif patients < params.min_validation_patients:
        note = f"{patients} validation patients that no candidate knows, {params.min_validation_patients} are needed"
        if known < params.share:
            note += "; the model in use was trained on others, which a first candidate from scratch would end"
    return Contest(
        starts=starts[:1] if note else starts, champion=champion, package=package,
        frames=None if note else frames, patients=patients, note=note,
    )  # fmt: skip


def _set(
    services: Services, clone: Workspace, task: Task, start: Start, contest: Contest, share: float
) -> None:
    """The candidate's parameters; the package that goes on is kept where the stage will look for it."""
    begin: dict[str, Any] = {"start": start}
    if start == "champion":
        assert contest.champion is not None, "candidates without one were left out"
        assert contest.package is not None
        begin["package_sha256"] = contest.champion.package_hash
        keep_start(services.workspace, task, contest.package, contest.champion.package_hash)
    section = {"incremental": begin, "validation_share": share}
    set_params(clone.params, {"train": {task: section}}, new_keys=_KEYS)


def _train(
    services: Services,
    clone: Workspace,
    task: Task,
    start: Start,
    frames: pd.DataFrame | None,
    judge: Judge,
) -> Candidate:
    began = time.monotonic()
    ran = repro(clone.root, stages_of(task, until="train"), env=_state(services))
    took = round((time.monotonic() - began) / 60.0, 2)
    return Candidate(
        start=start,
        ran=ran,
        score=None if frames is None else judge(clone, task, frames),
        steps=training_facts(clone.model(task)).get("steps"),
        minutes=took if f"train@{task}" in ran else None,
        params=clone.params.read_bytes(),
        lock=(clone.root / "dvc.lock").read_bytes(),
    )


def _choose(clone: Workspace, candidates: Sequence[Candidate]) -> Candidate:
    """The best by its score, the earlier one of equals; the clone then holds it."""
    best = max(
        candidates, key=lambda one: -1.0 if one.score is None or one.score.value is None else one.score.value
    )
    if best is not candidates[-1]:
        clone.params.write_bytes(best.params)
        (clone.root / "dvc.lock").write_bytes(best.lock)
        dvc(clone.root, "checkout", "--quiet", "--allow-missing")
    return best


def _state(services: Services) -> dict[str, str]:
    return {"CTLOOP_STATE": str(services.workspace.state)}
