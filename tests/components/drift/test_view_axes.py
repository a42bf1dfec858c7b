from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from components.drift.view_axes import MOST_AXES, side_by_side, standardised, whitened


def correlated(n: int, d: int) -> np.ndarray:
    generator = np.random.default_rng(n)
    return generator.normal(size=(n, d)) @ generator.normal(size=(d, d)) + 100.0


def test_standardised_columns_leave_out_what_does_not_vary_or_is_missing() -> None:
    values = np.column_stack([correlated(20, 2), np.full(20, 3.0), np.r_[np.nan, np.arange(19.0)]])
    found = standardised(values)
    assert found.shape == (20, 2)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=0), 1)


def test_whitened_distances_are_those_of_mahalanobis() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3)) @ np.array([[1.0, 0.3, 0], [0, 1, 0.4], [0, 0, 1]])
    axes = whitened(values)
    assert axes.shape == (50, 3)
    inverse = np.linalg.inv(np.cov(values, rowvar=False, bias=True))
    expected = cdist(values, values, "mahalanobis", VI=inverse)
    np.testing.assert_allclose(cdist(axes, axes), expected, atol=1e-9)


@pytest.mark.parametrize(("n", "d", "axes"), [(100, 40, MOST_AXES), (20, 40, 5), (3, 5, 1)])
def test_few_patients_have_few_axes(n: int, d: int, axes: int) -> None:
    found = whitened(np.random.default_rng(1).normal(size=(n, d)))
    assert found.shape == (n, axes)
    np.testing.assert_allclose(found.T @ found, n * np.eye(axes), atol=1e-9)


def test_a_column_that_repeats_another_is_no_axis() -> None:
    values = np.random.default_rng(2).normal(size=(60, 2))
    assert whitened(np.column_stack([values, values[:, 0]])).shape == (60, 2)
    assert whitened(np.full((8, 2), 1.0)).shape == (8, 0)


def test_views_side_by_side_weigh_the_same_however_many_columns() -> None:
    views = [standardised(correlated(30, d)) for d in (1, 8)]
    found = side_by_side([*views, np.empty((30, 0))])
    assert found.shape == (30, 9)
    np.testing.assert_allclose([(found[:, :1] ** 2).sum(), (found[:, 1:] ** 2).sum()], 30)
