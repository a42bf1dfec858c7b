from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from components.adapters.sql_engine import connect, writing
from components.adapters.sql_store import SqlStore, open_store, utc_now
from components.adapters.sql_tables import SCHEMA_VERSION, VERSION_TABLE, Base
from components.errors import StateError
from components.labeling.request import LabelingRequest
from components.labeling.second_reading import SecondReading
from tests.components.adapters.databases import BOTH, empty_database


def a_request(**changes: object) -> LabelingRequest:
    request = LabelingRequest(
        task="segmentation",
        case_id="heart-1",
        frame_id="heart-1__phase-040",
        patient_id="p-1",
        batch="batch-2",
        reason="uncertainty",
        measured=0.42,
        threshold=0.3,
        model_version="ctloop-segmentation/1",
        evidence="e1",
        budget_minutes=30.0,
        opened_at="2026-01-02T03:04:05+00:00",
        due="2026-01-16",
    )
    return replace(request, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from empty_database(request.param, tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = open_store(url)
    yield store
    store.close()


def test_a_request_comes_back_as_it_was_opened(store: SqlStore) -> None:
    assert store.open_request(a_request()) is None
    assert store.request(a_request().id) == a_request()
    assert store.requests() == (a_request(),)


def test_numbers_of_numpy_are_stored_as_numbers(store: SqlStore) -> None:
    store.open_request(a_request(measured=np.float32(0.5), threshold=np.float64(0.25), budget_minutes=30))
    found = store.requests()[0]
    assert (found.measured, found.threshold, found.budget_minutes) == (0.5, 0.25, 30.0)


def test_the_same_request_opens_once(store: SqlStore) -> None:
    store.open_request(a_request())
    assert store.open_request(a_request(opened_at="2027-01-01T00:00:00+00:00")) == a_request()
    assert len(store.requests()) == 1


def test_another_reason_for_the_same_frame_names_the_standing_request(store: SqlStore) -> None:
    store.open_request(a_request())
    standing = store.open_request(a_request(reason="drift"))
    assert standing is not None
    assert standing.reason == "uncertainty"


def test_a_cancelled_frame_can_be_asked_for_again(store: SqlStore) -> None:
    store.open_request(a_request())
    store.cancel_request(a_request().id, because="the champion changed")
    assert store.open_request(a_request(evidence="e2")) is None


def test_the_database_itself_refuses_a_second_open_request(store: SqlStore, url: str) -> None:
    store.open_request(a_request())
    engine = connect(url)
    insert = Base.metadata.tables["labeling_requests"].insert()
    row = dict(vars(a_request(reason="drift")))
    with pytest.raises(DatabaseError), writing(engine) as connection:
        connection.execute(insert.values(id="rother", **row))
    engine.dispose()


def test_filters(store: SqlStore) -> None:
    store.open_request(a_request())
    store.open_request(a_request(task="classification", frame_id="chest-1", case_id="chest-1"))
    assert [found.task for found in store.requests(task="classification")] == ["classification"]
    assert store.requests(status="answered") == ()
    assert [found.frame_id for found in store.requests(frame_id="chest-1")] == ["chest-1"]


def test_an_answer_is_recorded_once(store: SqlStore) -> None:
    store.open_request(a_request())
    for _ in range(2):
        answered = store.mark_answered(
            a_request().id, label_sha256="a" * 64, annotator="reader-1", minutes=4.5
        )
    assert (answered.status, answered.label_sha256) == ("answered", "a" * 64)
    assert answered.answered_at is not None
    actions = [(line.actor, line.action) for line in store.audit_log(a_request().id)]
    assert actions == [("ctloop", "open_request"), ("reader-1", "answer")]


def test_a_replaced_answer_leaves_a_trace(store: SqlStore) -> None:
    store.open_request(a_request())
    store.mark_answered(a_request().id, label_sha256="a" * 64, annotator="reader-1", minutes=None)
    store.record_label_set([a_request().id], "v1")
    replaced = store.mark_answered(a_request().id, label_sha256="b" * 64, annotator="reader-2", minutes=None)
    assert replaced.label_set_version is None
    assert store.audit_log(a_request().id)[-1].detail["replaces"] == "a" * 64


def test_accepted_answers_are_in_the_ledger(store: SqlStore) -> None:
    store.open_request(a_request())
    for _ in range(2):
        store.mark_answered(a_request().id, label_sha256="a" * 64, annotator="reader-1", minutes=4.5)
    store.mark_answered(a_request().id, label_sha256="b" * 64, annotator="reader-2", minutes=None)
    for sha256 in ("c" * 64, "c" * 64, "d" * 64):
        store.record_unasked("segmentation", "heart-9", label_sha256=sha256, annotator="r", minutes=None)
    entries = store.entries("answer")
    told = [(e.subject, e.payload["label_sha256"][0], (e.payload["replaces"] or "-")[0]) for e in entries]
    mine = a_request().id
    assert told == [(mine, "a", "-"), (mine, "b", "a"), ("heart-9", "c", "-"), ("heart-9", "d", "c")]
    assert entries[0].payload["model"] == "ctloop-segmentation/1"
    assert store.verify().fault is None


def test_a_second_reading_is_kept_once(store: SqlStore) -> None:
    reading = SecondReading(
        task="segmentation",
        readers=("r1", "r2"),
        labels=("a", "b"),
        dice={"aorta": 0.9, "lung": float("nan")},
    )
    for _ in range(2):
        store.record_second_reading("heart-9", reading)
    store.record_second_reading("heart-9", replace(reading, readers=("r2", "r3")))
    entries = store.entries("reread")
    assert [entry.payload["readers"] for entry in entries] == [["r1", "r2"], ["r2", "r3"]]
    assert entries[0].payload["dice"] == {"aorta": 0.9}


def test_the_data_version_of_an_answer(store: SqlStore) -> None:
    store.open_request(a_request())
    store.mark_answered(a_request().id, label_sha256="a" * 64, annotator="reader-1", minutes=None)
    store.record_label_set([a_request().id], "9f.dir")
    found = store.request(a_request().id)
    assert found is not None
    assert found.label_set_version == "9f.dir"


def test_only_open_requests_are_answered_or_cancelled(store: SqlStore) -> None:
    store.open_request(a_request())
    store.cancel_request(a_request().id, because="wrong patient")
    store.cancel_request(a_request().id, because="again")
    assert [line.detail for line in store.audit_log()[1:]] == [{"because": "wrong patient"}]
    with pytest.raises(StateError, match="cancelled"):
        store.mark_answered(a_request().id, label_sha256="a" * 64, annotator="reader-1", minutes=None)
    answered = a_request(frame_id="heart-2")
    store.open_request(answered)
    store.mark_answered(answered.id, label_sha256="a" * 64, annotator="reader-1", minutes=None)
    with pytest.raises(StateError, match="answered"):
        store.cancel_request(answered.id, because="x")
    with pytest.raises(StateError, match="id of a request"):
        store.mark_answered("rnone", label_sha256="a" * 64, annotator="reader-1", minutes=None)


def test_the_ledger_keeps_order_and_filters(store: SqlStore) -> None:
    store.append("gate", "m/2", {"verdict": "refused", "margin": -0.01})
    store.append("promote", "m/1", {"from": None})
    assert [entry.subject for entry in store.entries()] == ["m/2", "m/1"]
    assert store.entries("gate")[0].payload == {"verdict": "refused", "margin": -0.01}


@pytest.mark.parametrize("change", ["UPDATE {} SET at = 'x'", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["ledger", "audit_log"])
def test_decisions_cannot_be_rewritten(store: SqlStore, url: str, table: str, change: str) -> None:
    store.append("gate", "m/2", {})
    store.open_request(a_request())
    engine = connect(url)
    with pytest.raises(DatabaseError, match="append-only"), writing(engine) as connection:
        connection.execute(text(change.format(table)))
    engine.dispose()


def test_job_history(store: SqlStore) -> None:
    job = store.start_job("retrain", {"task": "segmentation"})
    other = store.start_job("monitor")
    store.finish_job(job, "done", {"stages": 3})
    first, second = store.jobs()
    assert (first.status, first.detail) == ("done", {"task": "segmentation", "stages": 3})
    assert first.ended is not None
    assert (second.id, second.status, second.ended) == (other, "running", None)
    assert store.jobs("monitor") == (second,)
    with pytest.raises(StateError, match="job run"):
        store.finish_job(999, "done")


def test_a_run_that_nobody_ended_is_interrupted(store: SqlStore) -> None:
    store.finish_job(store.start_job("add"), "done")
    store.start_job("retrain", {"task": "segmentation"})
    store.end_interrupted_jobs()
    done, killed = store.jobs()
    assert (done.status, killed.status, killed.detail) == ("done", "interrupted", {"task": "segmentation"})
    assert killed.ended is not None


def test_the_tables_are_what_the_migrations_make(store: SqlStore, url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = connect(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_a_database_of_the_first_schema_keeps_its_requests(url: str) -> None:
    from alembic import command
    from alembic.config import Config

    import components.adapters.sql_engine as module

    assert module.__file__ is not None
    old = {name: value for name, value in vars(a_request()).items() if name not in ("arm", "choice")}
    store = open_store(url)
    store.open_request(a_request(arm="random", choice="drawn at random"))
    assert store.requests()[0].arm == "random"
    engine, config = connect(url), Config()
    config.set_main_option("script_location", str(Path(module.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    with writing(engine) as connection:
        columns = connection.execute(text("SELECT * FROM labeling_requests")).mappings().one()
        assert not {"arm", "choice"} & set(columns)
    store.close()
    again = open_store(url)
    assert again.requests() == (LabelingRequest(**old),)
    again.close()
    engine.dispose()


def test_the_stated_schema_version_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    import components.adapters.sql_engine as module

    assert module.__file__ is not None
    scripts = ScriptDirectory(str(Path(module.__file__).with_name("migrations")))
    assert scripts.get_current_head() == SCHEMA_VERSION


def test_a_newer_database_is_refused(store: SqlStore, url: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StateError, match="schema 9999"):
        open_store(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ctloop.db").write_bytes(b"no database at all, but long enough" * 100)
    with pytest.raises(StateError, match="can be opened"):
        open_store(f"sqlite:///{tmp_path / 'ctloop.db'}")
    with pytest.raises(StateError, match="can be opened"):
        open_store("nonsense")


def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'ctloop.db'}").close()
    with sqlite3.connect(tmp_path / "ctloop.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def _start_and_write(url: str, ready: object, number: int) -> None:
    ready.wait()  # type: ignore[attr-defined]
    store = open_store(url)
    for step in range(5):
        store.append("drift", f"{number}-{step}", {"at": utc_now()})
        store.open_request(a_request(evidence=f"{step}"))
    store.close()


@pytest.mark.slow
def test_processes_may_start_at_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(3)
    processes = [context.Process(target=_start_and_write, args=(url, ready, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    store = open_store(url)
    assert len(store.entries("drift")) == 15
    assert len(store.requests()) == 1
    store.close()
