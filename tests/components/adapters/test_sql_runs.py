"""Queue, attempts and schedules, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.adapters.sql_runs import Retry
from components.adapters.sql_store import SqlStore, open_store
from tests.components.adapters.databases import BOTH, empty_database

START, LATER = "2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00+00:00"


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    for url in empty_database(request.param, tmp_path):
        store = open_store(url)
        yield store
        store.close()


def test_one_run_of_a_job_waits(store: SqlStore) -> None:
    runs = store.runs
    assert runs.queue("verify", "by hand")
    assert not runs.queue("verify", "cron")
    assert runs.queue("score-segmentation", "cron")
    (first,) = runs.waiting("verify")
    assert (first.cause, first.attempt, first.status, first.started) == ("by hand", 1, "queued", None)
    assert runs.start(first.id, "me")
    assert not runs.start(first.id, "another")
    assert runs.queue("verify", "cron")
    assert [run.holder for run in runs.running()] == ["me"]


def test_an_attempt_ends_once_and_its_retry_waits(store: SqlStore) -> None:
    runs = store.runs
    runs.queue("verify", "cron")
    (run,) = runs.waiting()
    assert not runs.end(run.id, "done", exit_code=0)
    runs.start(run.id, "me")
    assert runs.end(run.id, "failed", exit_code=1, retry=Retry(attempt=2, not_before=LATER))
    assert not runs.end(run.id, "lost", exit_code=None, retry=Retry(attempt=2, not_before=LATER))
    ended, waiting = runs.runs("verify")
    assert (ended.status, ended.exit_code, ended.ended is not None) == ("failed", 1, True)
    assert (waiting.cause, waiting.attempt, waiting.not_before) == ("retry", 2, LATER)
    assert runs.runs(newest=1) == (waiting,)
    assert runs.runs(statuses=("failed", "done")) == (ended,)


def test_a_moment_is_claimed_once(store: SqlStore) -> None:
    runs = store.runs
    before = runs.schedule("verify", accounted=START, seen=3)
    assert before == (START, 3)
    assert runs.schedule("verify", accounted=LATER, seen=9) == (START, 3)
    with ThreadPoolExecutor(6) as pool:
        claims = [
            pool.submit(runs.claim, "verify", "cron", before=before, after=(LATER, 4)) for _ in range(6)
        ]
    assert sum(claim.result() for claim in claims) == 1
    assert len(runs.waiting("verify")) == 1
    assert runs.schedule("verify", accounted="x", seen=0) == (LATER, 4)


def test_a_claim_while_one_waits_coalesces(store: SqlStore) -> None:
    runs = store.runs
    before = runs.schedule("verify", accounted=START, seen=0)
    runs.queue("verify", "by hand")
    assert runs.claim("verify", "cron", before=before, after=(LATER, 0))
    assert [run.cause for run in runs.waiting()] == ["by hand"]
