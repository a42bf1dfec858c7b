"""A database of a test's own, on SQLite or PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database of ``kind``; it is gone afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'state' / 'ctloop.db'}"
        return
    server = os.environ.get("CTLOOP_TEST_POSTGRES_URL")
    if not server:
        pytest.skip("no PostgreSQL server: CTLOOP_TEST_POSTGRES_URL is not set")
    schema = f"t{uuid4().hex[:12]}"
    admin = create_engine(server)
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield f"{server}?options=-csearch_path%3D{schema}"
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()
