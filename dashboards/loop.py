"""What the pages need to know of the loop, and what they may set in motion. Built by the composition root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from components.cohort.task import Task
from components.operations.learning_curve import LearningCurve
from components.registry.ledger import Ledger
from components.registry.registry import Registry

Rows = tuple[Sequence[Mapping[str, Any]], int]
"""Rows of one page, and how many there are in all."""

ReportKind = Literal["gate", "dossier", "monitor"]


class History(Protocol):
    """What happened, newest first, a page at a time; see ``components.adapters.sql_pages`` for the columns."""

    def runs(self, *, limit: int, offset: int = 0, wrong: bool = False) -> Rows: ...

    def jobs(self, *, limit: int, offset: int = 0, wrong: bool = False) -> Rows: ...

    def runs_by_status(self) -> Sequence[Mapping[str, Any]]: ...

    def audit(self, *, limit: int, offset: int = 0) -> Rows: ...

    def decisions(self, *, limit: int, offset: int = 0) -> Rows: ...

    def asked(self) -> Sequence[Mapping[str, Any]]: ...

    def answered(self) -> Sequence[Mapping[str, Any]]: ...


class Cases(Protocol):
    """The cases of one task; see ``components.adapters.case_index``."""

    def page(
        self, *, search: str = "", filters: Mapping[str, str] | None = None, limit: int, offset: int = 0
    ) -> Rows: ...

    def values(self, name: str) -> Sequence[str]: ...

    def frames(self, case: str) -> Sequence[Mapping[str, Any]]: ...


class Loop(Protocol):
    """May be called from several threads."""

    @property
    def registry(self) -> Registry: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def history(self) -> History: ...

    def warm(self) -> None:
        """Read once what grows with the history, before anybody waits for it."""
        ...

    def model_name(self, task: Task) -> str:
        """The registry's name for the task's model."""
        ...

    def cases(self, task: Task) -> Cases: ...

    def schedule(self) -> Sequence[Mapping[str, Any]]:
        """Each job that may run: ``job``, ``next`` (ISO 8601 in UTC or ``None``), ``trigger`` in words."""
        ...

    def budget_minutes(self, task: Task) -> float | None:
        """Experts' minutes that one window may ask for; ``None`` when the parameters cannot be read."""
        ...

    def window(self, task: Task, batch: str) -> Mapping[str, Any] | None:
        """The monitor's verdict.json of a batch."""
        ...

    def timeline(self, task: Task) -> tuple[bytes, bytes] | None:
        """PNGs of the task's last windows for a light and a dark page; ``None`` before the first window."""
        ...

    def learning_curve(self, task: Task, *, more: int) -> LearningCurve:
        """What the labels so far have brought, and what ``more`` would."""
        ...

    def learning_picture(self, task: Task, *, more: int) -> tuple[bytes, bytes] | None:
        """The same as PNGs for a light and a dark page; ``None`` before the first version that can be drawn."""
        ...

    def novel(self, task: Task, batch: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """The scorecards of a batch that are most unlike the reference, most novel first."""
        ...

    def typical(self, task: Task, batch: str, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """Those of a batch whose novelty is nearest to its median, nearest first."""
        ...

    def report(self, kind: ReportKind, task: Task, name: str) -> Path | None:
        """The page that a job wrote; ``name`` is a version or a batch."""
        ...

    def log(self, run: int) -> str | None:
        """The end of what a scheduled run printed."""
        ...

    def run_now(self, job: str) -> bool:
        """Queue ``job`` and start it; ``False`` when one waits already. ``InputError`` for an unknown job."""
        ...

    def promote(self, task: Task, *, by: str, override: str | None) -> str:
        """What became of it; ``StateError`` with the reason when it is refused."""
        ...

    def roll_back(self, task: Task, *, by: str, reason: str) -> str: ...
