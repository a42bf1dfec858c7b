from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.scorecard.embedding_space import distances, fit_space
from components.scorecard.patients import columns_with, patient_means, patient_shares, value_text

TABLE = pd.DataFrame(
    {
        "patient_id": ["b", "a", "a"],
        "output_x": [5.0, 1.0, np.nan],
        "meta_kernel": ["B30f", "B70f", ""],
        "meta_kvp": [120.0, 100.0, np.nan],
    }
)


def test_means_and_shares_are_by_patient() -> None:
    assert columns_with(TABLE, "output_") == ["output_x"]
    assert patient_means(TABLE, ["output_x"])["output_x"].to_dict() == {"a": 1.0, "b": 5.0}
    shares = patient_shares(TABLE, "meta_kernel")
    assert shares.loc["a"].to_dict() == {"(unknown)": 0.5, "B30f": 0.0, "B70f": 0.5}


@pytest.mark.parametrize(
    ("value", "text"), [("x", "x"), (None, "(unknown)"), (120.0, "120"), (np.nan, "(unknown)")]
)
def test_values_as_text(value: object, text: str) -> None:
    assert value_text(value) == text


def test_the_space_is_standard_and_its_axes_orthonormal() -> None:
    features = np.random.default_rng(0).normal(3, 2, (40, 6))
    space = fit_space(features, components=3)
    assert space.axes is not None
    np.testing.assert_allclose(space.axes.T @ space.axes, np.eye(3), atol=1e-12)
    full = fit_space(features).project(features)
    np.testing.assert_allclose(full.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(full.std(axis=0), 1, atol=0.25)


def test_constant_columns_are_harmless() -> None:
    assert np.isfinite(fit_space(np.ones((4, 3))).project(np.zeros((2, 3)))).all()


def test_distances_agree_with_norms() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 5, 3))
    expected = [[np.linalg.norm(x - y) for y in b] for x in a]
    np.testing.assert_allclose(distances(a, b), expected)
