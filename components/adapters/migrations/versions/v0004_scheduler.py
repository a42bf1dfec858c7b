"""Leases, the scheduler's runs, and up to when each schedule is accounted for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("expires", sa.Float(53), nullable=False),
    )
    op.create_table(
        "scheduled_runs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job", sa.String(100), nullable=False, index=True),
        sa.Column("cause", sa.String(40), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("status", sa.String(20), nullable=False, index=True),
        sa.Column("queued", sa.String(40), nullable=False),
        sa.Column("not_before", sa.String(40), nullable=False),
        sa.Column("started", sa.String(40)),
        sa.Column("ended", sa.String(40)),
        sa.Column("exit_code", sa.Integer),
        sa.Column("holder", sa.String(200)),
    )
    op.create_index(
        "one_queued_run_per_job", "scheduled_runs", ["job"], unique=True,
        sqlite_where=_QUEUED, postgresql_where=_QUEUED,
    )  # fmt: skip
    op.create_table(
        "schedules",
        sa.Column("job", sa.String(100), primary_key=True),
        sa.Column("accounted", sa.String(40), nullable=False),
        sa.Column("seen", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("schedules", "scheduled_runs", "leases"):
        op.drop_table(table)
