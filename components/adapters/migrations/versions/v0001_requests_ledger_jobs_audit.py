"""Labeling requests, ledger, job runs and audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NEVER_CHANGED = ("ledger", "audit_log")


def upgrade() -> None:
    _requests()
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(20), nullable=False, index=True),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
    )
    op.create_table(
        "job_runs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(40), nullable=False, index=True),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("ended", sa.String(40)),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False, index=True),
        sa.Column("detail", sa.JSON, nullable=False),
    )
    for table in _NEVER_CHANGED:
        _refuse_changes(table)


def _requests() -> None:
    op.create_table(
        "labeling_requests",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(16), nullable=False, unique=True),
        sa.Column("task", sa.String(20), nullable=False),
        sa.Column("case_id", sa.String(200), nullable=False),
        sa.Column("frame_id", sa.String(220), nullable=False, index=True),
        sa.Column("patient_id", sa.String(200), nullable=False),
        sa.Column("batch", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("measured", sa.Float(53)),
        sa.Column("threshold", sa.Float(53)),
        sa.Column("model_version", sa.String(200), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("budget_minutes", sa.Float(53), nullable=False),
        sa.Column("opened_at", sa.String(40), nullable=False),
        sa.Column("due", sa.String(40), nullable=False),
        sa.Column("status", sa.String(20), nullable=False, index=True),
        sa.Column("label_sha256", sa.String(64)),
        sa.Column("label_set_version", sa.String(80)),
        sa.Column("answered_at", sa.String(40)),
    )
    op.create_index(
        "one_open_request_per_frame",
        "labeling_requests",
        ["task", "frame_id"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )


def _refuse_changes(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_no_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_no_change()"
    )


def downgrade() -> None:
    for table in (*_NEVER_CHANGED, "job_runs", "labeling_requests"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for table in _NEVER_CHANGED:
            op.execute(f"DROP FUNCTION {table}_no_change()")
