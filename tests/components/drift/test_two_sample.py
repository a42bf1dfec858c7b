from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.drift.permutation import memberships
from components.drift.two_sample import (
    cramer_von_mises,
    kernel_mmd,
    kolmogorov_smirnov,
    share_increase,
    total_variation,
)

MEMBERS = memberships(9, 6, 20, np.random.default_rng(0))


def split(values: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values[row == 0], values[row == 1]


@pytest.mark.parametrize("digits", [9, 0])
def test_ks_agrees_with_scipy(digits: int) -> None:
    values = np.random.default_rng(1).normal(0, 2, 15).round(digits)
    kolmogorov = kolmogorov_smirnov(values, MEMBERS)
    expected = [stats.ks_2samp(*split(values, row)).statistic for row in MEMBERS]
    np.testing.assert_allclose(kolmogorov, expected, rtol=1e-5)


def test_cramer_von_mises_agrees_with_scipy() -> None:
    values = np.random.default_rng(2).normal(size=15)
    cramer = cramer_von_mises(values, MEMBERS)
    expected = [stats.cramervonmises_2samp(*split(values, row)).statistic for row in MEMBERS]
    np.testing.assert_allclose(cramer, expected, rtol=1e-5)


def test_values_that_vanish_count_as_a_shift() -> None:
    values = np.array([1.0] * 9 + [np.nan] * 6)
    assert kolmogorov_smirnov(values, MEMBERS)[0] == pytest.approx(1.0)


def test_total_variation_of_shares() -> None:
    shares = np.array([[1.0, 0.0, 0.0]] * 9 + [[0.5, 0.5, 0.0]] * 3 + [[0.0, 0.0, 1.0]] * 3)
    assert total_variation(shares, MEMBERS[:1])[0] == pytest.approx(0.75)
    np.testing.assert_allclose(share_increase(shares, MEMBERS[:1])[0], [-0.75, 0.25, 0.5])


def brute_mmd(x: np.ndarray, y: np.ndarray, sigma: float) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-np.sum((a - b) ** 2) / (2 * sigma**2)))

    m, n = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    xy = sum(k(a, b) for a in x for b in y) / (m * n)
    return xx + yy - 2 * xy


def test_mmd_agrees_with_brute_force_under_every_membership() -> None:
    features = np.random.default_rng(3).normal(size=(15, 4))
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(features) for b in features[i + 1 :]]
    found = kernel_mmd(features, MEMBERS, bandwidths=(0.5, 1.0))
    for column, factor in enumerate((0.5, 1.0)):
        expected = [brute_mmd(*split(features, row), factor * np.median(gaps)) for row in MEMBERS]
        np.testing.assert_allclose(found[:, column], expected, atol=1e-6)
