from __future__ import annotations

import numpy as np
import pytest

from components.drift.effect import effect_interval
from components.drift.permutation import memberships
from components.drift.two_sample import kolmogorov_smirnov, mmd_distance, rbf_kernels


def test_the_interval_holds_the_true_distance() -> None:
    """Uniform on [0, 1] against uniform on [0.3, 1.3]: the true KS distance is 0.3, without a shift 0."""
    generator = np.random.default_rng(0)
    for shift in (0.0, 0.3):
        held = []
        for _ in range(150):
            values = np.concatenate([generator.random(60), generator.random(40) + shift])
            members = memberships(60, 40, 199, generator)
            observed, low, high = effect_interval(kolmogorov_smirnov(values, members))
            assert low <= observed <= high
            held.append(low <= shift <= high)
        assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / 150)


def test_the_kernel_distance_agrees_with_brute_force() -> None:
    features = np.random.default_rng(2).normal(size=(9, 2))
    members = memberships(5, 4, 10, np.random.default_rng(3))
    (kernel,) = rbf_kernels(features, (1.0,))
    for row, found in zip(members, mmd_distance(kernel, members), strict=True):
        x, y = np.flatnonzero(row == 0), np.flatnonzero(row == 1)
        squared = kernel[np.ix_(x, x)].mean() + kernel[np.ix_(y, y)].mean() - 2 * kernel[np.ix_(x, y)].mean()
        assert found == pytest.approx(np.sqrt(squared))
