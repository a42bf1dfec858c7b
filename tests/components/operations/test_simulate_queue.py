from __future__ import annotations

import numpy as np
import pytest

from components.operations.evaluation import IntervalParams
from components.operations.reading_queue import ReadingTimes
from components.operations.simulate_queue import QueueParams, simulate_queue, with_verdict

GENERATOR = np.random.default_rng(0)
POSITIVE = (GENERATOR.random(50) < 0.3).astype(float)
KEYS = {"fifo": np.zeros(50), "urgency": POSITIVE + GENERATOR.random(50), "oracle": POSITIVE}
COUNTED = {"positive": POSITIVE, "negative": 1 - POSITIVE}
PATIENTS = [f"p{i}" for i in range(50)]
INTERVALS = IntervalParams(seed=1, draws=1, level=0.95)


def run(**queue: float) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    params = QueueParams(**{"load": 0.9, "studies": 300, "streams": 150, **queue})  # type: ignore[arg-type]
    return simulate_queue(PATIENTS, KEYS, COUNTED, ReadingTimes(), params, INTERVALS)


def test_a_random_order_waits_as_long_as_first_in_first_out_on_average_and_longer_at_worst() -> None:
    orders = run()["orders"]
    assert orders["random"]["wait_positive"]["value"] == pytest.approx(
        orders["fifo"]["wait_positive"]["value"], rel=0.1
    )
    assert orders["random"]["longest_positive"]["value"] > 1.5 * orders["fifo"]["longest_positive"]["value"]


def test_differences_are_of_the_same_streams() -> None:
    """Paired: the interval of a difference is narrower than those of its parts, which share the busy days."""
    found = run()
    parts, difference = found["orders"], found["difference"]["wait_positive"]
    gap = parts["urgency"]["wait_positive"]["value"] - parts["fifo"]["wait_positive"]["value"]
    assert difference["value"] == pytest.approx(gap, abs=1e-5)
    assert difference["low"] < difference["value"] < difference["high"] < 0
    fifo = parts["fifo"]["wait_positive"]
    assert difference["high"] - difference["low"] < fifo["high"] - fifo["low"]


def test_a_busier_department_gains_more() -> None:
    """The conclusion of Thompson et al. 2024."""
    gains = [run(load=load)["difference"]["wait_positive"]["value"] for load in (0.5, 0.8, 0.95)]
    assert gains[0] > gains[1] > gains[2]


def test_streams_without_a_positive_have_no_wait() -> None:
    nobody = {"positive": np.zeros(50), "negative": np.ones(50)}
    params = QueueParams(studies=20, streams=5)
    found = simulate_queue(PATIENTS, KEYS, nobody, ReadingTimes(), params, INTERVALS)
    assert found["orders"]["urgency"]["wait_positive"]["value"] is None
    assert found["difference"]["longest_positive"]["verdict"] == "not enough evidence"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-3, -1, "less"), (1, 3, "more"), (-1, 1, "no difference shown"), (None, None, "not enough evidence")],
)
def test_a_verdict_needs_an_interval_on_one_side_of_zero(
    low: float | None, high: float | None, verdict: str
) -> None:
    assert with_verdict({"value": 0.0, "low": low, "high": high})["verdict"] == verdict
