"""Areas under budget curves against closed forms, and metrics against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.bench.acquisition_campaign import Campaign
from pipelines.bench.acquisition_curves import Arena, area_under, budget_to_reach, mean_by_mode


def test_area_of_a_straight_line_is_its_middle_height() -> None:
    budget = np.array([0.0, 1.0, 4.0, 10.0])
    line = 0.2 + 0.05 * budget
    assert area_under(budget, line[None], 10.0) == pytest.approx([0.45])
    assert area_under(budget, line[None], 6.0) == pytest.approx([0.35])  # an end between two points


def test_area_is_that_of_the_integral() -> None:
    budget = np.linspace(0, 5, 2001)
    assert area_under(budget, (budget**2)[None], 5.0) == pytest.approx([25 / 3], rel=1e-6)


def test_budget_to_reach_interpolates() -> None:
    budget, scores = np.array([0.0, 10.0, 20.0]), np.array([0.2, 0.6, 0.5])
    assert budget_to_reach(budget, scores, 0.3) == pytest.approx(2.5)
    assert budget_to_reach(budget, scores, 0.6) == pytest.approx(10.0)
    assert budget_to_reach(budget, scores, 0.1) == 0.0
    assert budget_to_reach(budget, scores, 0.7) == np.inf


def test_mean_by_mode_is_a_mean_of_means() -> None:
    modes = np.array(["a", "a", "a", "b", "c", "c"])
    judged = np.array([[0.1, 0.2, 0.3, 0.9, 0.5, 0.7], [0.5] * 6])
    once = np.ones((1, 6))
    alike = mean_by_mode(modes, dict.fromkeys("abc", 1.0))
    assert alike(judged, once) == pytest.approx(np.array([[(0.2 + 0.9 + 0.6) / 3, 0.5]]))
    shared = mean_by_mode(modes, {"a": 0.7, "b": 0.1, "c": 0.2})
    assert shared(judged, once)[0, 0] == pytest.approx(0.7 * 0.2 + 0.1 * 0.9 + 0.2 * 0.6)
    drawn = np.array([[3.0, 0.0, 0.0, 1.0, 1.0, 1.0]])  # the first patient thrice
    assert alike(judged, drawn)[0, 0] == pytest.approx((0.1 + 0.9 + 0.6) / 3)


def arena(**scores: float) -> Arena:
    modes = np.array(["a"] * 4 + ["b"] * 2)

    def campaign(score: float, minutes: float) -> Campaign:
        return Campaign(
            labels=np.array([0.0, 5.0, 10.0]),
            minutes=np.array([0.0, 1.0, 2.0]) * minutes,
            judged=np.array([0.0, 0.5, 1.0])[:, None] * score + np.zeros(6),
            asked=(),
        )

    return Arena(
        campaigns={name: [campaign(score, 10.0), campaign(score, 20.0)] for name, score in scores.items()},
        strata=modes,
        metrics={"modes": mean_by_mode(modes, {"a": 1.0, "b": 1.0})},
        broken=frozenset(),
    )


def test_bootstrap_keeps_the_sizes_of_the_strata() -> None:
    weights = arena(one=1.0).weights(200, 0)
    assert weights.shape == (201, 6)
    assert (weights[0] == 1).all()
    assert (weights[:, :4].sum(axis=1) == 4).all()
    assert (weights[:, 4:].sum(axis=1) == 2).all()
    assert len(np.unique(weights[1:], axis=0)) > 50


def test_area_by_minutes_ends_where_the_cheapest_campaign_does() -> None:
    found = arena(one=0.8)
    once = found.weights(0, 0)
    assert found.aubc("one", "modes", once) == pytest.approx([0.4])
    # 20 minutes: all of the first campaign, half of the second
    assert found.aubc("one", "modes", once, by="minutes") == pytest.approx([(0.4 + 0.2) / 2])
    assert found.curve("one", "modes", once) == pytest.approx(np.array([[0.0, 0.4, 0.8]]))
