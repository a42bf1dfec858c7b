"""Which arm of the acquisition chose a labeling request, and how."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("labeling_requests", sa.Column("arm", sa.String(20)))
    op.add_column("labeling_requests", sa.Column("choice", sa.Text))


def downgrade() -> None:
    op.drop_column("labeling_requests", "choice")
    op.drop_column("labeling_requests", "arm")
