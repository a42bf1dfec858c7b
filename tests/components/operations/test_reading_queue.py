"""The queue against examples worked by hand and against formulas of queueing theory."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import ParameterError
from components.metrics.weighting import Array
from components.operations.reading_queue import ReadingTimes, poisson_arrivals, waits_in_queue


def waits(
    arrival: list[float], minutes: list[float], key: list[float], readers: int, longest: float = np.inf
) -> list[float]:
    return waits_in_queue(np.array(arrival), np.array(minutes), np.array(key), readers, longest).tolist()


def test_two_readers_by_hand() -> None:
    """At 0 both readers begin, with 0 and 1. At 4 reader two is free; 2 to 4 wait and 3 is most urgent: 4 to 6.

    At 6 reader two takes 4 (to 9), at 10 reader one takes 2; at 9 reader two takes 5, which came at 8 and is more
    urgent than 2.
    """
    arrival, minutes = [0.0, 0.0, 1.0, 2.0, 3.0, 8.0], [10.0, 4.0, 1.0, 2.0, 3.0, 5.0]
    assert waits(arrival, minutes, [0, 0, 1, 9, 5, 4], 2) == [0, 0, 9, 2, 3, 1]
    assert waits(arrival, minutes, [0] * 6, 2) == [0, 0, 3, 3, 4, 2]


def test_a_reading_is_never_interrupted() -> None:
    assert waits([0.0, 1.0], [10.0, 1.0], [0.0, 9.0], 1) == [0, 9]


def test_what_arrives_as_a_reader_becomes_free_is_waiting_already() -> None:
    assert waits([0.0, 1.0, 5.0], [5.0, 1.0, 1.0], [0.0, 1.0, 2.0], 1) == [0, 5, 0]


def test_an_idle_reader_begins_at_once() -> None:
    assert waits([3.0, 20.0], [5.0, 5.0], [0.0, 0.0], 1) == [0, 0]
    assert waits([], [], [], 3) == []


def test_a_backlog_is_read_by_falling_urgency() -> None:
    assert waits([0.0] * 4, [2.0] * 4, [1.0, 4.0, 2.0, 3.0], 1) == [6, 0, 4, 2]


def test_what_waited_for_longer_than_the_limit_is_next() -> None:
    arrival, minutes, key = [0.0, 1.0, 2.0, 3.0], [5.0] * 4, [0.0, 0.0, 1.0, 2.0]
    assert waits(arrival, minutes, key, 1) == [0, 14, 8, 2]
    assert waits(arrival, minutes, key, 1, longest=8.0) == [0, 9, 13, 2]
    assert waits(arrival, minutes, key, 1, longest=9.0) == [0, 14, 8, 2]
    assert waits(arrival, minutes, key, 1, longest=0.0) == waits(arrival, minutes, [0.0] * 4, 1)


def brute_force(arrival: Array, minutes: Array, key: Array, readers: int) -> list[float]:
    """The same by trying every study at every event."""
    free, left, begun = [0.0] * readers, set(range(len(arrival))), [0.0] * len(arrival)
    while left:
        reader = int(np.argmin(free))
        now = max(free[reader], min(arrival[i] for i in left))
        study = max((i for i in left if arrival[i] <= now), key=lambda i: (key[i], -i))
        begun[study], free[reader] = now - arrival[study], now + minutes[study]
        left.remove(study)
    return begun


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_random_streams_against_brute_force(readers: int) -> None:
    generator = np.random.default_rng(readers)
    for _ in range(20):
        arrival = np.cumsum(generator.exponential(4.0, 40))
        minutes, key = generator.gamma(2.0, 4.0, 40), generator.integers(0, 5, 40).astype(float)
        expected = brute_force(arrival, minutes, key, readers)
        np.testing.assert_allclose(waits_in_queue(arrival, minutes, key, readers), expected)


@pytest.mark.parametrize("variation", [0.0, 0.5, 1.0])
def test_first_in_first_out_waits_as_pollaczek_and_khinchine_say(variation: float) -> None:
    """M/G/1: mean wait = ρ m (1 + c²) / (2 (1 - ρ)); c = 1 is exponential."""
    times, load, generator = ReadingTimes(minutes=10.0, variation=variation), 0.6, np.random.default_rng(11)
    arrival = poisson_arrivals(150_000, times, load, generator)
    waited = waits_in_queue(arrival, times.draw(150_000, generator), np.zeros(150_000), 1)
    expected = load * 10.0 * (1 + variation**2) / (2 * (1 - load))
    assert waited[1000:].mean() == pytest.approx(expected, rel=0.05)


def test_two_priorities_wait_as_cobham_says() -> None:
    """Non-preemptive M/G/1 (Cobham 1954): W₁ = W₀ / (1 - ρ₁), W₂ = W₀ / ((1 - ρ₁)(1 - ρ)), W₀ = ρ m (1 + c²) / 2."""
    times, load, share, generator = (
        ReadingTimes(minutes=5.0, variation=0.7),
        0.7,
        0.3,
        np.random.default_rng(2),
    )
    arrival = poisson_arrivals(150_000, times, load, generator)
    urgent = (generator.random(150_000) < share).astype(float)
    waited = waits_in_queue(arrival, times.draw(150_000, generator), urgent, 1)
    rest = load * 5.0 * (1 + 0.7**2) / 2
    assert waited[urgent == 1].mean() == pytest.approx(rest / (1 - load * share), rel=0.05)
    assert waited[urgent == 0].mean() == pytest.approx(rest / (1 - load * share) / (1 - load), rel=0.06)


def test_several_readers_wait_as_erlang_says() -> None:
    """M/M/2: mean wait = ρ² m / (1 - ρ²)."""
    times, load, generator = (
        ReadingTimes(minutes=8.0, variation=1.0, readers=2),
        0.7,
        np.random.default_rng(4),
    )
    arrival = poisson_arrivals(150_000, times, load, generator)
    waited = waits_in_queue(arrival, times.draw(150_000, generator), np.zeros(150_000), 2)
    assert waited.mean() == pytest.approx(load**2 * 8.0 / (1 - load**2), rel=0.05)


def test_no_order_shortens_the_mean_wait_of_equally_long_readings() -> None:
    generator = np.random.default_rng(6)
    times = ReadingTimes(minutes=10.0, variation=0.0, readers=2)
    arrival = poisson_arrivals(300, times, 0.95, generator)
    minutes = times.draw(300, generator)
    means = [waits_in_queue(arrival, minutes, key, 2).mean() for key in generator.random((5, 300))]
    np.testing.assert_allclose(means, waits_in_queue(arrival, minutes, np.zeros(300), 2).mean())


def test_drawn_times_have_the_stated_mean_and_variation() -> None:
    drawn = ReadingTimes(minutes=12.0, variation=0.4).draw(100_000, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(12.0, rel=0.01)
    assert drawn.std() / drawn.mean() == pytest.approx(0.4, rel=0.02)
    assert drawn.min() > 0


@pytest.mark.parametrize("wrong", [{"minutes": 0.0}, {"minutes": -1.0}, {"variation": -0.1}, {"readers": 0}])
def test_times_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="minutes > 0"):
        ReadingTimes(**wrong)  # type: ignore[arg-type]
