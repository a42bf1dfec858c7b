"""The beat against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from components.phantom.heart_motion import (
    BASE_RATIO,
    END_SYSTOLE_PERCENT,
    emptying,
    left_ventricle,
    truncated_volume_ml,
    wall_volume_ml,
)


def test_a_whole_ellipsoid_has_its_volume() -> None:
    assert truncated_volume_ml(10.0, 20.0, 1.0) == pytest.approx(4 / 3 * np.pi * 100 * 20 / 1000)
    assert truncated_volume_ml(10.0, 20.0, 0.0) == pytest.approx(2 / 3 * np.pi * 100 * 20 / 1000)


@pytest.mark.parametrize("cavity_ml", [40.0, 90.0, 140.0])
def test_the_ventricle_holds_what_it_should_and_keeps_its_wall(cavity_ml: float) -> None:
    moment = left_ventricle(cavity_ml=cavity_ml, wall_ml=110.0, apex_w=84.0, base_w=6.0)
    assert truncated_volume_ml(moment.radius, moment.half_length, BASE_RATIO) == pytest.approx(cavity_ml)
    assert wall_volume_ml(moment.radius, moment.half_length, moment.wall) == pytest.approx(110.0, rel=1e-6)
    assert moment.centre_w + moment.half_length == pytest.approx(84.0)
    assert moment.centre_w - BASE_RATIO * moment.half_length == pytest.approx(6.0)


def test_the_cycle_closes_and_peaks_at_end_systole() -> None:
    assert emptying(0) == 0
    assert emptying(100) == 0
    assert emptying(END_SYSTOLE_PERCENT) == pytest.approx(1.0)
    curve = [emptying(p) for p in np.linspace(0, 100, 201)]
    assert min(curve) >= 0
    assert max(curve) <= 1 + 1e-9
    assert np.abs(np.diff(curve)).max() < 0.05
