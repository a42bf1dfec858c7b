from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from components.drift.holm import holm_adjusted, holm_levels


def test_textbook_example() -> None:
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm_levels([0.01, 0.04, 0.03, 0.005], 0.05) == pytest.approx((0.05 / 3, 0.05, 0.025, 0.0125))


def test_adjusted_values_decide_like_the_step_down_procedure() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        p = generator.uniform(0, 0.1, 5)
        rejected, levels = set(), holm_levels(p.tolist(), 0.05)
        for i in np.argsort(p):
            if p[i] > levels[i]:
                break
            rejected.add(int(i))
        assert {i for i, value in enumerate(holm_adjusted(p.tolist())) if value <= 0.05} == rejected


def test_weighted_it_is_the_closure_of_weighted_bonferroni_tests() -> None:
    """A hypothesis is rejected when every set that holds it is (Marcus, Peritz & Gabriel 1976)."""
    generator = np.random.default_rng(1)
    for _ in range(50):
        p, weights = generator.uniform(0, 0.4, 4), generator.choice([1.0, 2.0, 3.0], 4)
        sets = [list(one) for size in range(1, 5) for one in combinations(range(4), size)]
        bonferroni = {tuple(s): min(1.0, min(p[s] * weights[s].sum() / weights[s])) for s in sets}
        expected = [max(value for s, value in bonferroni.items() if i in s) for i in range(4)]
        found = holm_adjusted(p.tolist(), weights.tolist())
        np.testing.assert_allclose(found, expected)
        levels = holm_levels(p.tolist(), 0.05, weights.tolist())
        assert levels[int(np.argmin(p / weights))] == pytest.approx(
            0.05 * weights[np.argmin(p / weights)] / weights.sum()
        )


def test_no_channels() -> None:
    assert holm_adjusted([]) == ()
