from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.memory_budget import MemoryBudget, memory_budget


def most_at_a_time(budget: MemoryBudget, needs: list[float]) -> tuple[float, int]:
    """The largest sum of needs, and the largest number, that ever ran together."""
    lock, running, seen = threading.Lock(), [], []

    def work(needed: float) -> None:
        with budget.hold(needed):
            with lock:
                running.append(needed)
                seen.append((sum(running), len(running)))
            time.sleep(0.01)
            with lock:
                running.remove(needed)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, needs))
    return max(total for total, _ in seen), max(count for _, count in seen)


def test_the_bound_is_never_passed() -> None:
    total, count = most_at_a_time(MemoryBudget(100.0), [30.0, 45.0, 20.0, 60.0, 10.0, 35.0] * 6)
    assert total <= 100.0
    assert count > 1


@pytest.mark.parametrize("needed", [math.inf, 500.0])
def test_who_needs_more_than_there_is_runs_alone(needed: float) -> None:
    _, count = most_at_a_time(MemoryBudget(100.0), [needed] * 6)
    assert count == 1


def test_a_failure_gives_back_what_it_held() -> None:
    budget = MemoryBudget(1.0)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), budget.hold(1.0):
            raise ValueError("x")


def test_zero_stands_for_most_of_what_is_free() -> None:
    import psutil

    free = psutil.virtual_memory().available / 1e6
    assert 0.3 * free < memory_budget(0.0).limit_mb < free * 1.2
    assert memory_budget(77.0).limit_mb == 77.0
