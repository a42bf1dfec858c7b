"""Closed forms against all arrival orders of tiny backlogs, counted one by one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from components.metrics.reading_order import mean_wait, studies_until
from components.metrics.weighting import Array

URGENCY = np.array([0.9, 0.2, 0.9, 0.2, 0.2, 0.5])
POSITIVE = np.array([1.0, 0.0, 0.0, 1.0, np.nan, 1.0])
ORDERS = {
    "fifo": np.zeros(6),
    "urgency": URGENCY,
    "oracle": np.nan_to_num(POSITIVE),
    "distinct": np.arange(6.0),
}


def read_in(key: Array, arrival: tuple[int, ...]) -> list[int]:
    """The studies in the order of reading."""
    return sorted(range(len(key)), key=lambda i: (-key[i], arrival[i]))


def counted(key: Array, share: Array) -> float:
    """Mean wait over all arrival orders."""
    waits = []
    for arrival in itertools.permutations(range(len(key))):
        order = read_in(key, arrival)
        known = [(order.index(i), share[i]) for i in range(len(key)) if not np.isnan(share[i])]
        waits.append(sum(place * part for place, part in known) / sum(part for _, part in known))
    return float(np.mean(waits))


def counted_until(key: Array, positive: Array, share: float) -> float:
    wanted = math.ceil(share * np.nansum(positive) - 1e-9)
    needed = []
    for arrival in itertools.permutations(range(len(key))):
        found = np.cumsum([positive[i] == 1 for i in read_in(key, arrival)])
        needed.append(int(np.argmax(found >= wanted)) + 1)
    return float(np.mean(needed))


@pytest.mark.parametrize("key", ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize("share", [POSITIVE, 1 - POSITIVE, np.array([3.0, 0, 0.5, 0, 1, 2])])
def test_mean_wait_is_that_of_all_arrival_orders(key: Array, share: Array) -> None:
    assert float(mean_wait(key, share)) == pytest.approx(counted(key, share))


@pytest.mark.parametrize("key", ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize("share", [0.2, 1 / 3, 0.5, 0.9, 1.0])
def test_studies_until_is_that_of_all_arrival_orders(key: Array, share: float) -> None:
    assert float(studies_until(key, POSITIVE, share)) == pytest.approx(counted_until(key, POSITIVE, share))


def test_a_weight_is_a_study_that_stands_there_as_often() -> None:
    times = np.array([[2, 0, 1, 1, 3, 0], [1, 1, 1, 1, 1, 1], [0, 2, 0, 0, 1, 0]])
    weight = times.astype(np.float64)
    for row, waited, until in zip(
        times,
        mean_wait(URGENCY, POSITIVE, weight),
        studies_until(URGENCY, POSITIVE, 0.8, weight),
        strict=True,
    ):
        key, positive = np.repeat(URGENCY, row), np.repeat(POSITIVE, row)
        np.testing.assert_allclose(waited, mean_wait(key, positive))
        np.testing.assert_allclose(until, studies_until(key, positive, 0.8))


def test_no_order_beats_the_oracle_and_none_loses_to_its_reverse() -> None:
    generator = np.random.default_rng(3)
    positive = (generator.random(40) < 0.3).astype(float)
    for key in generator.random((20, 40)):
        for measure in (mean_wait, lambda k, p: studies_until(k, p, 0.8)):
            assert measure(positive, positive) <= measure(key, positive) <= measure(-positive, positive)


def test_random_keys_are_first_in_first_out_in_expectation() -> None:
    generator = np.random.default_rng(5)
    positive = (generator.random(30) < 0.4).astype(float)
    keys = generator.random((4000, 30))
    waits = [float(mean_wait(key, positive)) for key in keys]
    until = [float(studies_until(key, positive, 0.5)) for key in keys]
    assert np.mean(waits) == pytest.approx(float(mean_wait(np.zeros(30), positive)), abs=0.15)
    assert np.mean(until) == pytest.approx(float(studies_until(np.zeros(30), positive, 0.5)), abs=0.25)


def test_the_mean_over_all_studies_is_the_same_in_every_order() -> None:
    for key in ORDERS.values():
        assert float(mean_wait(key, np.ones(6))) == pytest.approx(2.5)


def test_without_a_positive_there_is_nothing_to_wait_for() -> None:
    assert np.isnan(mean_wait(URGENCY, np.zeros(6)))
    assert np.isnan(studies_until(URGENCY, np.zeros(6), 0.5))
    drawn = np.array([[0.0, 1, 1, 0, 1, 0], [1, 1, 1, 1, 1, 1]])
    assert np.isnan(studies_until(URGENCY, POSITIVE, 0.5, drawn)).tolist() == [True, False]
