"""The tables of the embedded and of the team's database, once, for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Float, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = "0005"
"""The newest migration: what a database must say so that nothing needs to be migrated."""

VERSION_TABLE = "ctloop_alembic_version"
"""A name of our own: MLflow keeps an ``alembic_version``, and both may live in one PostgreSQL database."""


class Base(DeclarativeBase):
    """Times are ISO 8601 in UTC, so that they sort as text in either database."""


class RequestRow(Base):
    """One labeling request; at most one open request per frame is the database's own rule."""

    __tablename__ = "labeling_requests"
    __table_args__ = (
        Index(
            "one_open_request_per_frame",
            "task",
            "frame_id",
            unique=True,
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        Index("requests_by_due", "due", "number"),
        Index("requests_by_status_and_due", "status", "due", "number"),
        Index("requests_by_reason", "task", "reason", "status", "budget_minutes"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(16), unique=True)
    task: Mapped[str] = mapped_column(String(20))
    case_id: Mapped[str] = mapped_column(String(200))
    frame_id: Mapped[str] = mapped_column(String(220), index=True)
    patient_id: Mapped[str] = mapped_column(String(200))
    batch: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(20))
    measured: Mapped[float | None] = mapped_column(Float(53))
    threshold: Mapped[float | None] = mapped_column(Float(53))
    model_version: Mapped[str] = mapped_column(String(200))
    evidence: Mapped[str] = mapped_column(Text)
    budget_minutes: Mapped[float] = mapped_column(Float(53))
    opened_at: Mapped[str] = mapped_column(String(40))
    due: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20), index=True)
    label_sha256: Mapped[str | None] = mapped_column(String(64))
    label_set_version: Mapped[str | None] = mapped_column(String(80))
    answered_at: Mapped[str | None] = mapped_column(String(40))
    arm: Mapped[str | None] = mapped_column(String(20))
    choice: Mapped[str | None] = mapped_column(Text)


class LedgerRow(Base):
    """One decision, chained to the one before it; triggers refuse to change or delete it."""

    __tablename__ = "ledger"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20), index=True)
    subject: Mapped[str] = mapped_column(String(300))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[str] = mapped_column(String(40))
    sha256: Mapped[str] = mapped_column(String(64))


class JobRow(Base):
    """One run of a job; ``ended`` stays empty while it runs, and when it was killed."""

    __tablename__ = "job_runs"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(40), index=True)
    started: Mapped[str] = mapped_column(String(40))
    ended: Mapped[str | None] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditRow(Base):
    """Who changed what and when; triggers refuse to change or delete it."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(300), index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class LeaseRow(Base):
    """Who may do what only one may do at a time; ``expires`` in seconds since 1970 by the database's clock."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    expires: Mapped[float] = mapped_column(Float(53))


class ScheduledRunRow(Base):
    """One attempt at a scheduled job; at most one of a job waits."""

    __tablename__ = "scheduled_runs"
    __table_args__ = (
        Index(
            "one_queued_run_per_job",
            "job",
            unique=True,
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    job: Mapped[str] = mapped_column(String(100), index=True)
    cause: Mapped[str] = mapped_column(String(40))
    attempt: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(20), index=True)
    queued: Mapped[str] = mapped_column(String(40))
    not_before: Mapped[str] = mapped_column(String(40))
    started: Mapped[str | None] = mapped_column(String(40))
    ended: Mapped[str | None] = mapped_column(String(40))
    exit_code: Mapped[int | None] = mapped_column(Integer)
    holder: Mapped[str | None] = mapped_column(String(200))


class ScheduleRow(Base):
    """Of each job: the moment up to which its cron times are accounted for, and the last ledger entry it has seen."""

    __tablename__ = "schedules"

    job: Mapped[str] = mapped_column(String(100), primary_key=True)
    accounted: Mapped[str] = mapped_column(String(40))
    seen: Mapped[int] = mapped_column(Integer)


class UserRow(Base):
    """One person with access."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[str] = mapped_column(String(40))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    disabled: Mapped[bool] = mapped_column(Boolean)


class CredentialRow(Base):
    """The hash of a secret that stands for a user until it expires."""

    __tablename__ = "credentials"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    user: Mapped[str] = mapped_column(String(40), ForeignKey("users.name"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    label: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[str] = mapped_column(String(40))
    expires_at: Mapped[str] = mapped_column(String(40))


class LoginAttemptRow(Base):
    """One attempt to log in that was not forgiven by a right password."""

    __tablename__ = "login_attempts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at: Mapped[str] = mapped_column(String(40), index=True)
    user: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(60))
