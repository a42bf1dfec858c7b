"""Smooth random fields."""

from __future__ import annotations

import numpy as np
import pytest

from components.phantom.texture import smooth_field


@pytest.mark.parametrize("length_mm", [4.0, 12.0])
def test_has_unit_deviation_and_no_offset(length_mm: float) -> None:
    field = smooth_field((80, 70, 60), (2.0, 2.0, 2.0), length_mm, np.random.default_rng(0))
    assert field.shape == (80, 70, 60)
    assert field.dtype == np.float32
    assert abs(field.mean()) < 0.15
    assert field.std() == pytest.approx(1.0, rel=0.12)


def test_neighbours_agree_within_the_length_and_not_beyond() -> None:
    field = smooth_field((64, 64, 64), (1.0, 1.0, 1.0), 8.0, np.random.default_rng(1))
    near = np.corrcoef(field[:-1].ravel(), field[1:].ravel())[0, 1]
    far = np.corrcoef(field[:-32].ravel(), field[32:].ravel())[0, 1]
    assert near > 0.95
    assert abs(far) < 0.25
