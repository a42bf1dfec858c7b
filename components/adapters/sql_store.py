"""One database for what a workspace remembers: requests, decisions, job runs, and who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import insert, select, update

from components.adapters.sql_accounts import SqlAccounts
from components.adapters.sql_engine import connect, reading, writing
from components.adapters.sql_leases import SqlLeases
from components.adapters.sql_pages import SqlPages
from components.adapters.sql_requests import SqlRequests
from components.adapters.sql_runs import SqlRuns
from components.adapters.sql_tables import AuditRow, JobRow
from components.errors import StateError

JobStatus = Literal["running", "done", "failed", "refused", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """One run of a job; ``ended`` is ``None`` while it runs, and of a killed one until the next job starts."""

    id: int
    kind: str
    started: str
    ended: str | None
    status: JobStatus
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """Who did what to which request, and when."""

    at: str
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


class SqlStore(SqlRequests):
    """Implements ``RequestStore`` and ``Ledger``, and keeps the job history; each call is one transaction."""

    @cached_property
    def leases(self) -> SqlLeases:
        """What only one may do at a time."""
        return SqlLeases(self._engine)

    @cached_property
    def runs(self) -> SqlRuns:
        """What the scheduler means to run, runs and ran."""
        return SqlRuns(self._engine, self._now)

    @cached_property
    def pages(self) -> SqlPages:
        """What pages show."""
        return SqlPages(self._engine)

    @cached_property
    def accounts(self) -> SqlAccounts:
        """Who has access."""
        return SqlAccounts(self._engine, self._now)

    # --- job history
    def start_job(self, kind: str, detail: Mapping[str, Any] | None = None) -> int:
        """The number of the new run."""
        values = {"kind": kind, "started": self._now(), "status": "running", "detail": dict(detail or {})}
        with writing(self._engine) as connection:
            return int(connection.execute(insert(JobRow).values(**values).returning(JobRow.id)).scalar_one())

    def finish_job(self, job: int, status: JobStatus, detail: Mapping[str, Any] | None = None) -> None:
        """End run ``job``; ``detail`` is added to what it was started with."""
        with writing(self._engine) as connection:
            found = connection.execute(select(JobRow.detail).where(JobRow.id == job)).scalar_one_or_none()
            if found is None:
                raise StateError(expected="the number of a job run", got=str(job), hint="start_job's answer")
            values = {"ended": self._now(), "status": status, "detail": {**found, **(detail or {})}}
            connection.execute(update(JobRow).where(JobRow.id == job).values(**values))

    def end_interrupted_jobs(self) -> None:
        """End what still says it runs; for the one job that may write now, so that nothing else can."""
        ended = {"status": "interrupted", "ended": self._now()}
        with writing(self._engine) as connection:
            connection.execute(update(JobRow).where(JobRow.status == "running").values(**ended))

    def jobs(self, kind: str | None = None) -> tuple[JobRun, ...]:
        """In the order of starting."""
        query = select(*JobRow.__table__.columns).order_by(JobRow.id)
        if kind is not None:
            query = query.where(JobRow.kind == kind)
        with reading(self._engine) as connection:
            return tuple(JobRun(**cast(Any, row)) for row in connection.execute(query).mappings())

    # --- audit log
    def audit_log(self, subject: str | None = None) -> tuple[AuditLine, ...]:
        """In the order of writing."""
        columns = (AuditRow.at, AuditRow.actor, AuditRow.action, AuditRow.subject, AuditRow.detail)
        query = select(*columns).order_by(AuditRow.id)
        if subject is not None:
            query = query.where(AuditRow.subject == subject)
        with reading(self._engine) as connection:
            return tuple(AuditLine(**cast(Any, row)) for row in connection.execute(query).mappings())

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def utc_now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def open_store(url: str, head_file: Path | None = None) -> SqlStore:
    """The store at ``url`` (``sqlite:///…``, ``postgresql://…``), migrated to the newest schema.

    ``head_file`` keeps the head of the ledger outside the database, see ``SqlLedger``.
    """
    return SqlStore(connect(url), utc_now, head_file)
