"""What pages show of the database, a page at a time: nothing here grows with the history."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Engine, Select, Table, func, select

from components.adapters.sql_engine import reading
from components.adapters.sql_tables import AuditRow, JobRow, LedgerRow, RequestRow, ScheduledRunRow

Row = dict[str, Any]
Rows = tuple[list[Row], int]
"""Rows of one page, and how many there are in all."""

_RUNS = cast(Table, ScheduledRunRow.__table__)
_JOBS = cast(Table, JobRow.__table__)
_AUDIT = cast(Table, AuditRow.__table__)
_REQUESTS = cast(Table, RequestRow.__table__)
_LEDGER = cast(Table, LedgerRow.__table__)
_WRONG = ("failed", "timed out", "lost", "interrupted")


class SqlPages:
    """Read-only; newest first unless it says otherwise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._answered: dict[tuple[str, str], Row] = {}
        self._counted = 0

    def runs(self, *, limit: int, offset: int = 0, wrong: bool = False) -> Rows:
        """Attempts at scheduled jobs; ``wrong``: only those that did not succeed."""
        return self._page(_RUNS, limit, offset, _RUNS.c.status.in_(_WRONG) if wrong else None)

    def runs_by_status(self) -> list[Row]:
        """Per job and status: attempts."""
        column = _RUNS.c
        query = select(column.job, column.status, func.count().label("runs"))
        return self._all(query.group_by(column.job, column.status).order_by(column.job, column.status))

    def jobs(self, *, limit: int, offset: int = 0, wrong: bool = False) -> Rows:
        """Runs of every writing verb, by whomever."""
        return self._page(_JOBS, limit, offset, _JOBS.c.status.in_(_WRONG) if wrong else None)

    def audit(self, *, limit: int, offset: int = 0) -> Rows:
        """Who did what, and when."""
        return self._page(_AUDIT, limit, offset, None)

    def decisions(self, *, limit: int, offset: int = 0) -> Rows:
        """Entries of the ledger but answers and second readings, which are many."""
        return self._page(_LEDGER, limit, offset, _LEDGER.c.kind.not_in(("answer", "reread")))

    def asked(self) -> list[Row]:
        """Per task and reason: requests by status, and the minutes that open ones should take."""
        column = _REQUESTS.c
        query = select(
            column.task, column.reason, column.status, func.count().label("requests"),
            func.sum(column.budget_minutes).label("budget_minutes"),
        ).group_by(column.task, column.reason, column.status)  # fmt: skip
        return self._all(query.order_by(column.task, column.reason, column.status))

    def answered(self) -> list[Row]:
        """Per task and annotator: answers, those that state their minutes, and the minutes.

        Only entries since the last call are read: no entry of the ledger ever changes.
        """
        with self._lock:
            with reading(self._engine) as connection:
                end = connection.execute(select(func.max(_LEDGER.c.number))).scalar_one() or 0
                fresh = connection.execute(_answers(after=self._counted, until=end)).mappings().all()
            for row in fresh:
                _add(self._answered, dict(row))
            self._counted = end
            return [dict(row) for _, row in sorted(self._answered.items())]

    def _page(self, table: Table, limit: int, offset: int, where: Any) -> Rows:
        key = next(iter(table.primary_key.columns))
        query, count = select(table).order_by(key.desc()), select(func.count()).select_from(table)
        if where is not None:
            query, count = query.where(where), count.where(where)
        with reading(self._engine) as connection:
            total = int(connection.execute(count).scalar_one())
            return _rows(connection.execute(query.limit(limit).offset(offset)).mappings().all()), total

    def _all(self, query: Select[Any]) -> list[Row]:
        with reading(self._engine) as connection:
            return _rows(connection.execute(query).mappings().all())


def _answers(*, after: int, until: int) -> Select[Any]:
    payload = _LEDGER.c.payload
    task, who = payload["task"].as_string(), payload["annotator"].as_string()
    minutes = payload["minutes"].as_float()
    query = select(
        task.label("task"), who.label("annotator"), func.count().label("answers"),
        func.count(minutes).label("timed"), func.coalesce(func.sum(minutes), 0.0).label("minutes"),
        func.max(_LEDGER.c.at).label("last"),
    ).group_by(task, who)  # fmt: skip
    return query.where(_LEDGER.c.kind == "answer", _LEDGER.c.number > after, _LEDGER.c.number <= until)


def _add(totals: dict[tuple[str, str], Row], fresh: Row) -> None:
    key = (str(fresh["task"]), str(fresh["annotator"]))
    known = totals.setdefault(key, {**fresh, "answers": 0, "timed": 0, "minutes": 0.0})
    for what in ("answers", "timed", "minutes"):
        known[what] += fresh[what]
    known["last"] = max(known["last"], fresh["last"])


def _rows(found: Sequence[Any]) -> list[Row]:
    return [dict(row) for row in found]
