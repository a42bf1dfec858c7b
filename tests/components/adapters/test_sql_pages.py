from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.adapters.sql_store import SqlStore, open_store
from tests.components.adapters.databases import BOTH, empty_database
from tests.components.adapters.test_sql_store import a_request


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    for url in empty_database(request.param, tmp_path):
        store = open_store(url)
        yield store
        store.close()


def test_history_comes_newest_first_a_page_at_a_time(store: SqlStore) -> None:
    for number in range(5):
        store.finish_job(store.start_job(f"job-{number}"), "failed" if number % 2 else "done")
    rows, total = store.pages.jobs(limit=2, offset=1)
    assert ([row["kind"] for row in rows], total) == (["job-3", "job-2"], 5)
    rows, total = store.pages.jobs(limit=9, wrong=True)
    assert ([row["kind"] for row in rows], total) == (["job-3", "job-1"], 2)
    store.runs.queue("verify", "by hand")
    assert [row["job"] for row in store.pages.runs(limit=9)[0]] == ["verify"]
    assert store.pages.runs(limit=9, wrong=True) == ([], 0)


def test_asked_and_answered_are_summed_by_the_database(store: SqlStore) -> None:
    asked = [
        a_request(frame_id=f"f{n}", reason="drift" if n % 2 else "audit", budget_minutes=10.0)
        for n in range(5)
    ]
    for request in asked:
        store.open_request(request)
    minutes = (12.5, None, 7.5)
    for request, spent in zip(asked, minutes, strict=False):
        store.mark_answered(request.id, label_sha256="a" * 64, annotator="reader-1", minutes=spent)
    found = {(r["reason"], r["status"]): (r["requests"], r["budget_minutes"]) for r in store.pages.asked()}
    assert found == {
        ("audit", "answered"): (2, 20.0), ("audit", "open"): (1, 10.0), ("drift", "answered"): (1, 10.0),
        ("drift", "open"): (1, 10.0),
    }  # fmt: skip
    (row,) = store.pages.answered()
    assert (row["task"], row["annotator"], row["answers"], row["timed"], row["minutes"]) == (
        "segmentation", "reader-1", 3, 2, 20.0,
    )  # fmt: skip
    store.mark_answered(asked[3].id, label_sha256="a" * 64, annotator="reader-1", minutes=1.0)
    store.mark_answered(asked[4].id, label_sha256="a" * 64, annotator="reader-2", minutes=2.0)
    assert [(r["annotator"], r["answers"], r["minutes"]) for r in store.pages.answered()] == [
        ("reader-1", 4, 21.0), ("reader-2", 1, 2.0),
    ]  # fmt: skip
    assert store.request_counts() == {("segmentation", "answered"): 5}


def test_requests_come_by_due_date_a_page_at_a_time(store: SqlStore) -> None:
    for number in range(6):
        store.open_request(a_request(frame_id=f"f{number}", due=f"2026-01-{20 - number}"))
    page = store.request_page(status="open", task="segmentation", limit=2, offset=1)
    assert [request.frame_id for request in page] == ["f4", "f3"]
    assert store.request_page(status="cancelled", limit=9) == ()


def test_the_decisions_leave_out_answers(store: SqlStore) -> None:
    store.record_unasked("segmentation", "f", label_sha256="a" * 64, annotator="r", minutes=None)
    store.append("gate", "m/1", {"accepted": True})
    rows, total = store.pages.decisions(limit=9)
    assert ([row["kind"] for row in rows], total) == (["gate"], 1)
    assert [row["action"] for row in store.pages.audit(limit=9)[0]] == ["answer_unasked"]
