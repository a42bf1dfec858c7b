"""One holder at a time, in both databases, by threads and by time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.adapters.sql_store import SqlStore, open_store
from tests.components.adapters.databases import BOTH, empty_database


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    for url in empty_database(request.param, tmp_path):
        store = open_store(url)
        yield store
        store.close()


def test_a_lease_has_one_holder_until_it_is_dropped(store: SqlStore) -> None:
    leases = store.leases
    assert leases.holder("job verify") is None
    assert leases.take("job verify", "a", 60)
    assert not leases.take("job verify", "b", 60)
    assert leases.take("job verify", "a", 60)
    assert leases.take("job score", "b", 60)
    assert leases.holder("job verify") == "a"
    leases.drop("job verify", "b")
    assert leases.holder("job verify") == "a"
    leases.drop("job verify", "a")
    assert leases.take("job verify", "b", 60)


def test_a_lease_runs_out_unless_it_is_renewed(store: SqlStore) -> None:
    leases = store.leases
    assert leases.take("job", "a", 0.3)
    for _ in range(3):
        time.sleep(0.15)
        assert leases.renew("job", "a", 0.3)
    time.sleep(0.4)
    assert leases.holder("job") is None
    assert leases.take("job", "b", 60)
    assert not leases.renew("job", "a", 60)
    assert leases.holder("job") == "b"


def test_of_many_who_ask_at_once_one_gets_it(store: SqlStore) -> None:
    for round_ in range(5):
        with ThreadPoolExecutor(8) as pool:
            name = f"job {round_}"
            taken = list(pool.map(lambda who: store.leases.take(name, f"holder {who}", 60), range(8)))  # noqa: B023
        assert sum(taken) == 1
        assert store.leases.holder(f"job {round_}") == f"holder {taken.index(True)}"
