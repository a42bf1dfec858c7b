"""The jobs that may run by themselves; each is a verb that a person can run once, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.cohort.task import TASKS, Task
from pipelines.batch_list import read_batches
from pipelines.workspace import Workspace

Kind = Literal["monitor", "score", "retrain", "reconcile", "verify", "clean_up"]

_VERBS: dict[Kind, tuple[str, ...]] = {
    "monitor": ("monitor",),
    "score": ("score",),
    "retrain": ("retrain",),
    "reconcile": ("labels", "reconcile"),
    "verify": ("ledger", "verify"),
    "clean_up": ("clean-up",),
}
_OF_A_TASK: tuple[Kind, ...] = ("monitor", "score", "retrain")
_FINAL: dict[Kind, int] = {"verify": 3}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One kind of work, of one task where the kind has tasks."""

    kind: Kind
    task: Task | None = None

    @property
    def name(self) -> str:
        """``retrain-segmentation``, ``verify``: what leases and history call it."""
        return self.kind if self.task is None else f"{self.kind}-{self.task}"

    @property
    def words(self) -> tuple[str, ...]:
        """The verb and its options."""
        return (*_VERBS[self.kind], *(() if self.task is None else ("--task", self.task)))

    def worth_another_try(self, exit_code: int) -> bool:
        """Whether trying again may help: a ledger that was tampered with stays so."""
        return exit_code != _FINAL.get(self.kind)


def jobs_of(workspace: Workspace, kinds: Sequence[str]) -> tuple[Job, ...]:
    """The jobs of these kinds, for every task of which the workspace has scans."""
    batches = read_batches(workspace).batches
    tasks = [task for task in TASKS if batches[task]]
    found: list[Job] = []
    for kind in _VERBS:
        if kind in kinds:
            found += [Job(kind=kind, task=t) for t in tasks] if kind in _OF_A_TASK else [Job(kind=kind)]
    return tuple(found)


def every_job() -> tuple[Job, ...]:
    """All, of both tasks."""
    return tuple(
        Job(kind=kind, task=task) for kind in _VERBS for task in (TASKS if kind in _OF_A_TASK else (None,))
    )
