"""The ledger becomes a chain: numbers without gaps, and a hash of each entry and all before it.

The formula is ``components.registry.chain``'s of this revision, written out: a migration must never change.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AT_A_TIME = 500
_FACTS = (
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("subject", sa.String(300), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)


def upgrade() -> None:
    new = _replacement(
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        *_facts(),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    previous = "0" * 64
    for number, row in enumerate(_rows("id"), start=1):
        entry = {
            "kind": row["kind"],
            "subject": row["subject"],
            "payload": _finite(row["payload"]),
            "at": row["at"],
        }
        previous = _sha256({"previous": previous, "number": number, "entry": entry})
        op.get_bind().execute(new.insert().values(number=number, sha256=previous, **entry))
    _put_in_place()


def downgrade() -> None:
    new = _replacement(sa.Column("id", sa.Integer, primary_key=True, autoincrement=True), *_facts())
    for row in _rows("number"):
        op.get_bind().execute(new.insert().values({column.name: row[column.name] for column in _FACTS}))
    _put_in_place()


def _facts() -> list[sa.Column[Any]]:
    return [column.copy() for column in _FACTS]


def _replacement(*columns: sa.Column[Any]) -> sa.Table:
    return op.create_table("ledger_replacement", *columns)


def _rows(order: str) -> Any:
    old = sa.table("ledger", sa.column(order), *(sa.column(c.name, c.type) for c in _FACTS))
    query = sa.select(old).order_by(old.c[order]).execution_options(yield_per=_AT_A_TIME)
    return op.get_bind().execute(query).mappings()


def _put_in_place() -> None:
    """SQLite adds no column that must not be empty, so both databases get a new table; triggers go with the old."""
    op.drop_table("ledger")
    op.rename_table("ledger_replacement", "ledger")
    op.create_index("ix_ledger_kind", "ledger", ["kind"])
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER ledger_no_{event.lower()} BEFORE {event} ON ledger "
                "BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END"
            )
        return
    op.execute(
        "CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_no_change()"
    )


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _finite(value: Any) -> Any:
    """NaN and infinities, which SQLite's JSON took, as null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value
