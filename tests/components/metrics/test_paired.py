"""The vectorised bounds against a loop, and the shared level against what is known of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.metrics.paired import mean_bounds, mean_lower_bound, shared_level
from components.metrics.weighting import Array


def by_loop(values: Array, counts: Array, alpha: float) -> float:
    """The lower bound, one draw after another, each patient repeated as often as it was drawn."""
    n, mean = len(values), values.mean()
    error = values.std(ddof=1) / np.sqrt(n)
    ratios = []
    for drawn in counts.astype(int):
        sample = np.repeat(values, drawn)
        spread = sample.std(ddof=1) / np.sqrt(n)
        shift = sample.mean() - mean
        ratios.append(shift / spread if spread > 1e-9 * error else np.copysign(np.inf, shift))
    quantile = np.sort(ratios)[int(np.ceil((1 - alpha) * len(ratios))) - 1]
    return float(mean - max(quantile, stats.t.ppf(1 - alpha, n - 1)) * error)


@pytest.mark.parametrize("n", [8, 30])
def test_all_columns_at_once_are_as_one_after_another(n: int) -> None:
    values = np.random.default_rng(n).exponential(size=(n, 3))
    counts = np.random.default_rng(5).multinomial(n, np.full(n, 1 / n), size=400)
    found = mean_bounds(values, alpha=0.05, seed=5, draws=400)
    for k in range(3):
        assert found.lower[k] == pytest.approx(by_loop(values[:, k], counts, 0.05))
        assert found.upper[k] == pytest.approx(-by_loop(-values[:, k], counts, 0.05))
        alone = mean_lower_bound(values[:, k], alpha=0.05, seed=5, draws=400)
        assert alone == pytest.approx(found.lower[k])
    assert (found.lower < found.mean).all()


def test_few_or_equal_values() -> None:
    one = mean_bounds(np.array([[0.3]]), alpha=0.05, seed=0, draws=200)
    assert (one.lower[0], one.upper[0]) == (-np.inf, np.inf)
    equal = mean_bounds(np.full((9, 2), 0.3), alpha=0.05, seed=0, draws=200)
    assert equal.lower == pytest.approx([0.3, 0.3])
    assert equal.upper == pytest.approx([0.3, 0.3])


def test_equal_columns_share_nothing_and_independent_ones_as_bonferroni() -> None:
    generator = np.random.default_rng(0)
    column = generator.normal(size=(40, 1))
    same = shared_level(np.repeat(column, 6, axis=1), alpha=0.05, seed=0)
    assert same == pytest.approx(0.05)
    apart = shared_level(generator.normal(size=(200, 6)), alpha=0.05, seed=0)
    # of independent columns Šidák's level, by no more than a few of 4000 draws
    assert apart == pytest.approx(1 - 0.95 ** (1 / 6), abs=0.003)
    assert apart >= 0.05 / 6


def test_a_part_of_the_whole_costs_less_than_bonferroni() -> None:
    values = np.random.default_rng(1).normal(size=(60, 1))
    part = np.where(np.arange(60)[:, None] < 45, values, np.nan)
    assert shared_level(np.hstack([values, part]), alpha=0.05, seed=0) > 0.03


def test_any_of_correlated_gains_is_claimed_by_chance_at_alpha_at_most() -> None:
    generator = np.random.default_rng(3)
    claimed = 0
    trials = 400
    for _ in range(trials):
        values = generator.normal(size=(24, 1)) * 0.7 + generator.normal(size=(24, 5)) * 0.7
        level = shared_level(values, alpha=0.05, seed=0, draws=400)
        claimed += bool((mean_bounds(values, alpha=level, seed=0, draws=400).lower > 0).any())
    assert stats.binomtest(claimed, trials, 0.06, alternative="greater").pvalue > 0.01


def test_fewer_degrees_of_freedom_widen_the_bound() -> None:
    values = np.random.default_rng(0).normal(0.0, 1.0, 200)
    error = values.std(ddof=1) / np.sqrt(200)
    wide = mean_lower_bound(values, alpha=0.05, seed=0, draws=200, degrees=3)
    assert wide == pytest.approx(values.mean() - stats.t.ppf(0.95, 3) * error)
    assert wide < mean_lower_bound(values, alpha=0.05, seed=0, draws=200)
