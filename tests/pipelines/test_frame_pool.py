from __future__ import annotations

import threading
import time

import pytest

from pipelines.frame_pool import each


def run(work, items, parallel, stop=lambda: None):
    return list(each(work, items, parallel=parallel, title="t", unit="x", stop=stop))


@pytest.mark.parametrize("parallel", [1, 4])
def test_every_item_is_done_once(parallel: int) -> None:
    assert sorted(run(lambda n: n * n, list(range(20)), parallel)) == [n * n for n in range(20)]


def test_items_run_together() -> None:
    meeting = threading.Barrier(3, timeout=10)
    assert len(set(run(lambda _: meeting.wait(), [1, 2, 3], 3))) == 3


def test_one_at_a_time_stays_in_this_thread() -> None:
    assert set(run(lambda _: threading.get_ident(), [1, 2], 1)) == {threading.get_ident()}


def test_an_interruption_stops_the_others_and_starts_nothing_more() -> None:
    stopped, started = threading.Event(), []

    def work(number: int) -> int:
        started.append(number)
        if number == 0:
            raise KeyboardInterrupt
        assert stopped.wait(10)
        return number

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(work, list(range(50)), 2, stopped.set)
    assert time.monotonic() - begin < 5
    assert len(started) < 10
