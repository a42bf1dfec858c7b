"""The ledger in a real database: tampering behind its back, many writers, and what an older ctloop had written."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from components.adapters.sql_engine import connect, reading, writing
from components.adapters.sql_store import SqlStore, open_store
from components.errors import ParameterError
from components.registry.chain import parse_head
from tests.components.adapters.databases import BOTH, empty_database


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from empty_database(request.param, tmp_path)


@pytest.fixture
def head_file(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "ledger-head"


@pytest.fixture
def store(url: str, head_file: Path) -> Iterator[SqlStore]:
    store = open_store(url, head_file)
    for number in range(1, 6):
        store.append("gate", f"m/{number}", {"accepted": number % 2 == 0, "score": 0.1 * number})
    yield store
    store.close()


def tamper(url: str, *statements: str) -> None:
    """As a person with the database's password would: without the triggers."""
    engine = connect(url)
    with writing(engine) as connection:
        if connection.dialect.name == "sqlite":
            for event in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER ledger_no_{event}"))
        else:
            connection.execute(text("DROP TRIGGER ledger_no_change ON ledger"))
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_numbers_have_no_gaps_and_the_chain_holds(store: SqlStore, head_file: Path) -> None:
    assert [entry.number for entry in store.entries()] == [1, 2, 3, 4, 5]
    report = store.verify()
    assert (report.fault, report.head.number) == (None, 5)
    assert parse_head(head_file.read_text()) == report.head
    assert store.verify((report.head,)).fault is None
    assert store.ledger_end() == 5


CHANGES = {
    "edit": (3, "UPDATE ledger SET payload = '{\"accepted\": true, \"score\": 0.3}' WHERE number = 3"),
    "other subject": (2, "UPDATE ledger SET subject = 'm/9' WHERE number = 2"),
    "no JSON": (4, "UPDATE ledger SET payload = '\"\"' WHERE number = 4"),
    "deletion": (2, "DELETE FROM ledger WHERE number = 2"),
    "deletion of the first": (1, "DELETE FROM ledger WHERE number = 1"),
    "truncation": (4, "DELETE FROM ledger WHERE number >= 4"),
    "everything": (1, "DELETE FROM ledger"),
    "insertion": (
        6, "INSERT INTO ledger (number, kind, subject, payload, at, sha256) "
        "SELECT 6, kind, subject, payload, at, sha256 FROM ledger WHERE number = 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("number", "statement"), CHANGES.values(), ids=CHANGES.keys())
def test_what_was_changed_behind_its_back_is_named(
    store: SqlStore, url: str, number: int, statement: str
) -> None:
    tamper(url, statement)
    fault = store.verify().fault
    assert fault is not None
    assert fault.number == number


def test_two_entries_that_changed_places_are_named(store: SqlStore, url: str) -> None:
    order = ("number = 99 WHERE number = 2", "number = 2 WHERE number = 3", "number = 3 WHERE number = 99")
    tamper(url, *(f"UPDATE ledger SET {change}" for change in order))
    fault = store.verify().fault
    assert fault is not None
    assert fault.number == 2


def test_a_fault_does_not_move_the_head_and_later_entries_do_not_hide_it(
    store: SqlStore, url: str, head_file: Path
) -> None:
    noted = head_file.read_text()
    tamper(url, "DELETE FROM ledger WHERE number >= 4")
    assert store.verify().fault is not None
    assert head_file.read_text() == noted
    for number in range(4):
        store.append("gate", f"n/{number}", {})
    fault = store.verify().fault
    assert fault is not None
    assert (fault.number, "computed anew" in fault.what) == (5, True)


def test_a_damaged_head_is_said_and_stops_no_entry(store: SqlStore, head_file: Path) -> None:
    head_file.write_text("5:something")
    store.append("gate", "m/6", {})
    assert head_file.read_text() == "5:something"
    with pytest.raises(ParameterError, match="NUMBER:SHA256"):
        store.verify()


def test_numbers_that_are_not_finite_are_null(store: SqlStore) -> None:
    store.append("drift", "m/1", {"p": float("nan"), "q": float("inf")})
    assert store.entries("drift")[0].payload == {"p": None, "q": None}
    assert store.verify().fault is None


def test_an_older_ledger_is_chained_as_it_stands_and_goes_back(url: str) -> None:
    from alembic import command
    from alembic.config import Config

    import components.adapters.sql_engine as module

    store, engine, config = open_store(url), connect(url), Config()
    for number in range(3):
        store.append("gate", f"m/{number}", {"score": 0.1 * number, "ä": [None, True]})
    chained = store.entries()
    assert module.__file__ is not None
    config.set_main_option("script_location", str(Path(module.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT * FROM ledger ORDER BY id")).mappings().all()
    assert [row["subject"] for row in rows] == ["m/0", "m/1", "m/2"]
    assert "sha256" not in rows[0]
    store.close()
    again = open_store(url)
    assert again.entries() == chained
    assert again.verify().fault is None
    again.append("gate", "m/3", {})
    assert again.verify().head.number == 4
    again.close()
    engine.dispose()


def _write(url: str, head_file: Path, ready: object, number: int) -> None:
    ready.wait()  # type: ignore[attr-defined]
    store = open_store(url, head_file)
    for step in range(20):
        store.append("drift", f"{number}-{step}", {"step": step})
    store.close()


@pytest.mark.slow
def test_many_writers_make_one_chain(store: SqlStore, url: str, head_file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(4)
    writers = [context.Process(target=_write, args=(url, head_file, ready, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    report = store.verify()
    assert (report.fault, report.head.number) == (None, 5 + 4 * 20)
    assert parse_head(head_file.read_text()) == report.head
    for number in range(4):
        mine = [e.subject for e in store.entries("drift") if e.subject.startswith(f"{number}-")]
        assert mine == [f"{number}-{step}" for step in range(20)]
