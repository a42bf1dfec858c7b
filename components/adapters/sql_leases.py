"""Leases in the database: one holder at a time among all processes and machines that share it.

A lease that is not renewed runs out, by the database's own clock, so that machines need not agree on the time.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from components.adapters.sql_engine import reading, writing
from components.adapters.sql_tables import LeaseRow

_NOW = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
}


class SqlLeases:
    """Leases by name; ``holder`` names one process for good, so that no two are ever called alike."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(self, name: str, holder: str, seconds: float) -> bool:
        """Hold ``name`` for ``seconds`` from now; ``False`` while another holds it. Calling again renews it."""
        try:
            with writing(self._engine) as connection:
                now = _now(connection)
                free = (LeaseRow.expires < now) | (LeaseRow.holder == holder)
                change = update(LeaseRow).where(LeaseRow.name == name, free)
                if connection.execute(change.values(holder=holder, expires=now + seconds)).rowcount:
                    return True
                connection.execute(insert(LeaseRow).values(name=name, holder=holder, expires=now + seconds))
        except IntegrityError:  # it stands, and is another's
            return False
        return True

    def renew(self, name: str, holder: str, seconds: float) -> bool:
        """Hold it for ``seconds`` more; ``False`` when it has run out and another took it, or it was dropped."""
        with writing(self._engine) as connection:
            ours = update(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder)
            return bool(connection.execute(ours.values(expires=_now(connection) + seconds)).rowcount)

    def drop(self, name: str, holder: str) -> None:
        """Give it back; nothing happens when it is another's by now."""
        with writing(self._engine) as connection:
            connection.execute(delete(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder))

    def holder(self, name: str) -> str | None:
        """Who holds it now."""
        with reading(self._engine) as connection:
            query = select(LeaseRow.holder).where(LeaseRow.name == name, LeaseRow.expires >= _now(connection))
            return connection.execute(query).scalar_one_or_none()


def _now(connection: Connection) -> float:
    """Seconds since 1970 by the database's clock."""
    return float(connection.execute(text(_NOW[connection.dialect.name])).scalar_one())
