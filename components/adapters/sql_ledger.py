"""The ledger in SQL: one writer at a time, whatever the number of processes and machines."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, Table, Text, insert, select, text
from sqlalchemy import cast as sql_cast

from components.adapters.sql_engine import reading, writing
from components.adapters.sql_tables import LedgerRow
from components.adapters.whole_file import write_whole
from components.errors import ParameterError
from components.registry.chain import EMPTY, ChainReport, Head, head_of, parse_head, sealed, verify_chain
from components.registry.ledger import EntryKind, LedgerEntry

_LEDGER = cast(Table, LedgerRow.__table__)
_AT_A_TIME = 500


class SqlLedger:
    """Implements ``components.registry.ledger.Ledger``.

    Args:
        engine: from ``sql_engine.connect``.
        now: the time, ISO 8601 in UTC.
        head_file: keeps the head of the ledger outside the database; ``None`` keeps none.
    """

    def __init__(self, engine: Engine, now: Callable[[], str], head_file: Path | None = None) -> None:
        self._engine, self._now, self._head_file = engine, now, head_file

    def append(self, kind: EntryKind, subject: str, payload: Mapping[str, Any]) -> LedgerEntry:
        with writing(self._engine) as connection:
            entry = append_entry(connection, self._now, kind, subject, payload)
        self._keep_head(entry)
        return entry

    def entries(self, *kinds: EntryKind) -> tuple[LedgerEntry, ...]:
        query = select(_LEDGER).order_by(_LEDGER.c.number)
        if kinds:
            query = query.where(_LEDGER.c.kind.in_(kinds))
        with reading(self._engine) as connection:
            return tuple(LedgerEntry(**cast(Any, row)) for row in connection.execute(query).mappings())

    def entries_after(self, number: int, *kinds: EntryKind) -> tuple[LedgerEntry, ...]:
        """Those of ``kinds`` behind entry ``number``."""
        query = select(_LEDGER).where(_LEDGER.c.number > number, _LEDGER.c.kind.in_(kinds))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(_LEDGER.c.number)).mappings()
            return tuple(LedgerEntry(**cast(Any, row)) for row in rows)

    def ledger_end(self) -> int:
        """The number of the last entry; 0 when there is none."""
        with reading(self._engine) as connection:
            return _last(connection).number

    def verify(self, noted: tuple[Head, ...] = ()) -> ChainReport:
        """Check the whole chain, ``noted`` heads, and the head kept outside the database."""
        kept = self._kept_head()
        with reading(self._engine) as connection:
            report = verify_chain(_all(connection), (*noted, *((kept,) if kept else ())))
        if report.fault is None and report.head.number:
            self._advance_head(report.head)
        return report

    def _keep_head(self, entry: LedgerEntry | None) -> None:
        if entry is not None:
            self._advance_head(head_of(entry))

    def _advance_head(self, head: Head) -> None:
        """After the commit: a process killed in between leaves an older head, which is still found again.

        A head that is not found again stays: it is the evidence that a tail was cut off.
        """
        if self._head_file is None:
            return
        self._head_file.parent.mkdir(parents=True, exist_ok=True)
        with self._head_file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                kept = self._kept_head()
            except ParameterError:
                return  # damaged: it stays as it is, for `verify` to say so
            if kept is None or (kept.number < head.number and self._holds(kept)):
                write_whole(self._head_file, f"{head}\n", durable=True)

    def _holds(self, head: Head) -> bool:
        query = select(_LEDGER.c.sha256).where(_LEDGER.c.number == head.number)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none() == head.sha256

    def _kept_head(self) -> Head | None:
        if self._head_file is None or not self._head_file.is_file():
            return None
        return parse_head(self._head_file.read_text(errors="replace"))


def append_entry(
    connection: Connection, now: Callable[[], str], kind: EntryKind, subject: str, payload: Mapping[str, Any]
) -> LedgerEntry:
    """Append inside the caller's transaction, so that an entry and what it tells of are written or not, both."""
    if connection.dialect.name == "postgresql":  # SQLite has its one write lock since the transaction began
        connection.execute(text("LOCK TABLE ledger IN EXCLUSIVE MODE"))
    entry = sealed(_last(connection), kind, subject, payload, now())
    connection.execute(insert(LedgerRow).values(**vars(entry)))
    return entry


def _last(connection: Connection) -> Head:
    query = select(_LEDGER.c.number, _LEDGER.c.sha256).order_by(_LEDGER.c.number.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return EMPTY if row is None else Head(number=row["number"], sha256=row["sha256"])


def _all(connection: Connection) -> Iterator[LedgerEntry]:
    """A bounded number of rows at a time; a payload that somebody made unreadable is a fault like another."""
    columns = [column for column in _LEDGER.c if column is not _LEDGER.c.payload]
    query = select(*columns, sql_cast(_LEDGER.c.payload, Text).label("written")).order_by(_LEDGER.c.number)
    for row in connection.execution_options(yield_per=_AT_A_TIME).execute(query).mappings():
        values = dict(row)
        try:
            payload = json.loads(values.pop("written"))
        except (ValueError, TypeError):
            payload = math.nan  # which has no canonical form
        yield LedgerEntry(**values, payload=payload)
