"""A database by URL, brought to the newest schema: SQLite in WAL, or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from components.adapters.sql_tables import SCHEMA_VERSION, VERSION_TABLE
from components.errors import StateError

_BUSY_SECONDS = 30
_MIGRATION_LOCK = 0x63746C6F6F70  # "ctloop": the advisory lock that one migrating process holds in PostgreSQL


def connect(url: str) -> Engine:
    """An engine whose database is at the newest schema.

    Several processes may connect at once: one migrates, the others wait. Raises ``StateError`` when the
    database cannot be reached or was written by a newer ctloop.
    """
    try:
        engine = _engine(url)
        _migrate(engine)
    except (SQLAlchemyError, ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StateError(
            expected="a database that can be opened",
            got=str(error).splitlines()[0],
            hint="checking CTLOOP_DATABASE_URL and that the server runs",
        ) from error
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write; SQLite takes its write lock at the start, so it cannot fail later."""
    with engine.connect().execution_options(ctloop_writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads: a consistent snapshot."""
    with engine.connect() as connection, connection.begin():
        yield connection


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # the driver would begin transactions by itself, and only at the first write
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
    _use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _use_wal(connection: sqlite3.Connection) -> None:
    """The first connection turns WAL on; SQLite does not wait for other processes there, whatever the timeout."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("ctloop_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine) -> None:
    with reading(engine) as connection:
        if _version(connection) == SCHEMA_VERSION:
            return
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        version = _version(connection)
        if version is not None and version > SCHEMA_VERSION:
            raise StateError(
                expected=f"a database at schema {SCHEMA_VERSION} or older",
                got=f"schema {version}",
                hint="the newer ctloop that wrote it",
            )
        if version != SCHEMA_VERSION:
            _upgrade(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - our constant
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
