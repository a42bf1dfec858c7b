from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from components.drift.permutation import combine, critical_value, memberships, normal_score, standardised


def every_membership(n_reference: int, n_window: int) -> np.ndarray:
    n = n_reference + n_window
    rows = [np.isin(np.arange(n), chosen) for chosen in combinations(range(n), n_window)]
    rows.sort(key=lambda row: not row[n_reference:].all())
    return np.array(rows, dtype=np.float32)


def test_row_zero_is_the_truth_and_every_row_has_as_many_window_patients() -> None:
    members = memberships(5, 3, 50, np.random.default_rng(0))
    assert members.shape == (51, 8)
    np.testing.assert_array_equal(members[0], [0, 0, 0, 0, 0, 1, 1, 1])
    assert (members.sum(axis=1) == 3).all()


def test_p_value_is_exact_over_all_permutations() -> None:
    """With every membership once, the p-value is the share of memberships at least as far apart."""
    values = np.array([0.0, 1.0, 2.0, 3.0, 9.0, 10.0])
    members = every_membership(4, 2)
    statistic = np.abs(members @ values / 2 - (1 - members) @ values / 4)
    found = combine(statistic[:, None])
    assert found.p_value == pytest.approx(1 / 15)


def test_p_values_are_uniform_or_larger_under_the_null() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=(300, 20, 5))
    p_values = []
    for one in values:
        members = memberships(12, 8, 99, generator)
        p_values.append(combine(np.abs(members @ one / 8 - (1 - members) @ one / 12)).p_value)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 300)


def test_constant_columns_change_nothing() -> None:
    statistics = np.random.default_rng(2).normal(size=(100, 3))
    with_constant = np.column_stack([statistics, np.full(100, 7.0)])
    assert combine(statistics).p_value == combine(with_constant).p_value


def test_the_threshold_agrees_with_the_p_value() -> None:
    generator = np.random.default_rng(3)
    for _ in range(50):
        found = combine(generator.normal(size=(200, 4)))
        for level in (0.01, 0.05, 0.3):
            assert (found.statistic > critical_value(found.null, level)) == (found.p_value <= level)


def test_too_few_resamples_never_alarm() -> None:
    assert critical_value(np.zeros(50), 0.01) == float("inf")


def test_each_row_is_standardised_by_all_other_ones() -> None:
    statistics = np.random.default_rng(4).gamma(1.0, size=(30, 2))
    statistics[0] = 1e4
    found = standardised(statistics)
    for row in (0, 7):
        others = np.delete(statistics, row, axis=0)
        np.testing.assert_allclose(
            found[row], (statistics[row] - others.mean(axis=0)) / others.std(axis=0), rtol=1e-6
        )


@pytest.mark.parametrize("shape", [1.0, 4.0, 50.0])
def test_normal_scores_of_a_gamma_distribution_are_nearly_normal(shape: float) -> None:
    levels = np.array([0.5, 0.9, 0.99, 0.9999])
    standard = (stats.gamma.ppf(levels, shape) - shape) / np.sqrt(shape)
    found = normal_score(standard, 2 / np.sqrt(shape))
    np.testing.assert_allclose(found, stats.norm.ppf(levels), atol=0.1)


def test_families_of_other_tails_raise_as_many_false_alarms_as_promised() -> None:
    """And each its share: as they stand, the heavier tail would have nearly all of them."""
    generator, alarms, heavy = np.random.default_rng(5), 0, 0
    for _ in range(400):
        statistics = np.column_stack([generator.normal(size=(200, 6)), generator.gamma(0.5, size=(200, 1))])
        found = combine(statistics, ["columns"] * 6 + ["kernel"])
        assert found.p_value == found.p_columns[found.column] == found.p_columns.min()
        alarms += found.p_value <= 0.1
        heavy += found.p_value <= 0.1 and found.column == 6
    assert alarms / 400 <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 400)
    assert 0.3 < heavy / alarms < 0.7
