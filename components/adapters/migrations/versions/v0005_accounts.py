"""Users, their sessions, tokens and invitations, attempts to log in; and what pages find requests by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDICES = {
    "requests_by_due": ["due", "number"],
    "requests_by_status_and_due": ["status", "due", "number"],
    "requests_by_reason": ["task", "reason", "status", "budget_minutes"],
}


def upgrade() -> None:
    for name, columns in _INDICES.items():
        op.create_index(name, "labeling_requests", columns)
    op.create_table(
        "users",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("disabled", sa.Boolean, nullable=False),
    )
    op.create_table(
        "credentials",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("user", sa.String(40), sa.ForeignKey("users.name"), nullable=False, index=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("expires_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.String(40), nullable=False, index=True),
        sa.Column("user", sa.String(40), nullable=False),
        sa.Column("address", sa.String(60), nullable=False),
    )


def downgrade() -> None:
    for table in ("login_attempts", "credentials", "users"):
        op.drop_table(table)
    for name in _INDICES:
        op.drop_index(name, "labeling_requests")
