"""What the scheduler means to run, runs and ran; and up to when each schedule is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Connection, Engine, insert, select, update

from components.adapters.sql_engine import reading, writing
from components.adapters.sql_tables import ScheduledRunRow, ScheduleRow

RunStatus = Literal["queued", "running", "done", "failed", "timed out", "lost"]
Cause = Literal["cron", "missed", "answers", "drift", "coverage", "by hand", "retry"]


@dataclass(frozen=True, kw_only=True)
class ScheduledRun:
    """One attempt at a job.

    Args:
        cause: why it was queued; a ``retry`` follows an attempt that failed, timed out or was lost.
        attempt: 1, 2, …
        status: ``lost`` is what a killed supervisor leaves.
        queued, not_before, started, ended: ISO 8601 in UTC.
        holder: the supervisor's name.
    """

    id: int
    job: str
    cause: Cause
    attempt: int
    status: RunStatus
    queued: str
    not_before: str
    started: str | None
    ended: str | None
    exit_code: int | None
    holder: str | None


@dataclass(frozen=True, kw_only=True)
class Retry:
    """The attempt that follows one that did not succeed."""

    attempt: int
    not_before: str


class SqlRuns:
    """Every call is one transaction; at most one run of a job waits, by the database's own rule."""

    def __init__(self, engine: Engine, now: Callable[[], str]) -> None:
        self._engine, self._now = engine, now

    # --- schedules
    def schedule(self, job: str, *, accounted: str, seen: int) -> tuple[str, int]:
        """(accounted, seen) of ``job``; as given when it is new."""
        query = select(ScheduleRow.accounted, ScheduleRow.seen).where(ScheduleRow.job == job)
        with writing(self._engine) as connection:
            _serialise(connection)
            row = connection.execute(query).first()
            if row is None:
                connection.execute(insert(ScheduleRow).values(job=job, accounted=accounted, seen=seen))
                return accounted, seen
            return row.accounted, row.seen

    def claim(self, job: str, cause: Cause, *, before: tuple[str, int], after: tuple[str, int]) -> bool:
        """Queue ``job`` and move its schedule from ``before`` to ``after``, both or none.

        ``False`` when another process moved it since it was read: then that one has queued the job. A job that
        waits already is not queued twice.
        """
        here = (ScheduleRow.job == job, ScheduleRow.accounted == before[0], ScheduleRow.seen == before[1])
        with writing(self._engine) as connection:
            _serialise(connection)
            moved = update(ScheduleRow).where(*here).values(accounted=after[0], seen=after[1])
            if not connection.execute(moved).rowcount:
                return False
            self._queue(connection, job, cause, attempt=1, not_before=self._now())
        return True

    # --- runs
    def queue(self, job: str, cause: Cause) -> bool:
        """``False`` when one waits already."""
        with writing(self._engine) as connection:
            _serialise(connection)
            return self._queue(connection, job, cause, attempt=1, not_before=self._now())

    def waiting(self, job: str | None = None) -> tuple[ScheduledRun, ...]:
        return self.runs(job, statuses=("queued",))

    def running(self, job: str | None = None) -> tuple[ScheduledRun, ...]:
        return self.runs(job, statuses=("running",))

    def start(self, run: int, holder: str) -> bool:
        """``False`` when it does not wait any more."""
        here = (ScheduledRunRow.id == run, ScheduledRunRow.status == "queued")
        change = {"status": "running", "started": self._now(), "holder": holder}
        with writing(self._engine) as connection:
            return bool(connection.execute(update(ScheduledRunRow).where(*here).values(**change)).rowcount)

    def end(self, run: int, status: RunStatus, *, exit_code: int | None, retry: Retry | None = None) -> bool:
        """End a running one and queue its retry, both or none; ``False`` when another process ended it."""
        here = (ScheduledRunRow.id == run, ScheduledRunRow.status == "running")
        change = {"status": status, "ended": self._now(), "exit_code": exit_code}
        with writing(self._engine) as connection:
            _serialise(connection)
            ended = update(ScheduledRunRow).where(*here).values(**change).returning(ScheduledRunRow.job)
            job = connection.execute(ended).scalar_one_or_none()
            if job is not None and retry is not None:
                self._queue(connection, job, "retry", attempt=retry.attempt, not_before=retry.not_before)
        return job is not None

    def runs(
        self, job: str | None = None, *, statuses: Sequence[RunStatus] = (), newest: int | None = None
    ) -> tuple[ScheduledRun, ...]:
        """In the order of queueing; the ``newest`` so many."""
        query = select(*ScheduledRunRow.__table__.columns).order_by(ScheduledRunRow.id.desc()).limit(newest)
        if job is not None:
            query = query.where(ScheduledRunRow.job == job)
        if statuses:
            query = query.where(ScheduledRunRow.status.in_(statuses))
        with reading(self._engine) as connection:
            found = [ScheduledRun(**cast(Any, row)) for row in connection.execute(query).mappings()]
        return tuple(reversed(found))

    def _queue(
        self, connection: Connection, job: str, cause: Cause, *, attempt: int, not_before: str
    ) -> bool:
        here = (ScheduledRunRow.job == job, ScheduledRunRow.status == "queued")
        if connection.execute(select(ScheduledRunRow.id).where(*here)).first() is not None:
            return False
        values = {"job": job, "cause": cause, "attempt": attempt, "status": "queued"}
        connection.execute(
            insert(ScheduledRunRow).values(**values, queued=self._now(), not_before=not_before)
        )
        return True


def _serialise(connection: Connection) -> None:
    """In PostgreSQL two processes could look and then both write; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE schedules IN EXCLUSIVE MODE")
