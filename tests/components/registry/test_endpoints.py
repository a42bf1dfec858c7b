from __future__ import annotations

import numpy as np
import pytest

from components.metrics.paired import mean_lower_bound, shared_level
from components.registry.endpoints import Endpoint, level_of_each

VALUES = np.random.default_rng(3).normal(0.01, 0.03, 30)


def endpoint(patients: range, shift: float = 0.0) -> Endpoint:
    differences = {f"p{i:02d}": float(VALUES[i]) + shift for i in reversed(patients)}
    return Endpoint(name="score", stratum="all", differences=differences, margin=0.05, judged=True)


def test_a_bound_is_that_of_the_paired_differences_in_the_order_of_the_patients() -> None:
    found = endpoint(range(30))
    assert found.mean == pytest.approx(VALUES.mean())
    expected = mean_lower_bound(VALUES, alpha=0.05, seed=4, draws=2000)
    assert found.lower(0.05, seed=4, draws=2000) == expected


def test_nobody_has_no_mean() -> None:
    assert np.isnan(endpoint(range(0)).mean)


def test_endpoints_share_a_level_by_the_patients_that_they_have_in_common() -> None:
    whole, part = endpoint(range(30)), endpoint(range(12))
    patients = [f"p{i:02d}" for i in range(30)]
    columns = np.stack([VALUES, np.where(np.arange(30) < 12, VALUES, np.nan)], axis=1)
    found = level_of_each([whole, part], patients, alpha=0.05, seed=0, draws=4000)
    assert found == shared_level(columns, alpha=0.05, seed=0, draws=4000)
    assert level_of_each([whole], patients, alpha=0.05, seed=0, draws=4000) == 0.05
    twin = level_of_each([whole, endpoint(range(30))], patients, alpha=0.05, seed=0, draws=4000)
    assert twin == pytest.approx(0.05, abs=1e-3)
