from __future__ import annotations

import numpy as np
import pytest

from components.acquisition.broken_scans import GuardParams, broken_scans, isolation
from components.errors import ParameterError
from tests.components.acquisition.pools import points, pool_of, rng

GUARD = GuardParams()


def test_isolation_is_the_distance_to_the_second_nearest_over_that_of_two_patients() -> None:
    """On a line at 0, 1, 3 and 13: 3, 2, 3 and 12; of the six distances 1, 2, 3, 10, 12, 13 the median is 6.5."""
    places = np.array([[0.0], [1.0], [3.0], [13.0]])
    assert isolation(places, np.zeros((0, 1)), 2).tolist() == pytest.approx(
        [3 / 6.5, 2 / 6.5, 3 / 6.5, 12 / 6.5]
    )
    assert isolation(places, np.array([[13.0], [14.0]]), 2)[3] < 0.2


def test_the_lone_scan_is_broken_and_a_rare_mode_of_three_is_not() -> None:
    common, rare = rng().normal(size=(30, 4)), rng(1).normal(size=(3, 4)) + 25
    places = np.concatenate([common, rare, [[-40.0, 40, 0, 0]], [[0, 0, 60.0, -9]]])
    cards = pool_of(uncertainty=[0.5] * 35)
    found = broken_scans(cards, points(cards, places), GUARD)
    assert set(found) == {"p33", "p34"}
    assert all("alone" in why for why in found.values())


def test_scans_alike_in_their_brokenness_are_told_by_their_voxels() -> None:
    """Four scans of pure noise lie together; half of their eight statistics are far off."""
    statistics = rng().normal(size=(34, 8))
    statistics[30:, :4] += 50.0
    cards = pool_of(**{f"image_{i}": statistics[:, i] for i in range(8)})
    found = broken_scans(cards, points(cards, rng(2).normal(size=(34, 3))), GUARD)
    assert set(found) == {"p30", "p31", "p32", "p33"}
    assert "50%" in found["p30"]


def test_an_odd_volume_alone_does_not_make_a_scan_broken() -> None:
    places = np.concatenate([rng().normal(size=(30, 2)), [[3.8, 0.0], [0.0, 0.0]]])
    cards = pool_of(foreground_ml=[300.0] * 30 + [0.0, 0.0])
    found = broken_scans(cards, points(cards, places), GuardParams(isolation=2.0))
    assert set(found) == {"p30"}
    assert "implausible" in found["p30"]


def test_what_cannot_be_measured_is_off_and_twins_are_no_yardstick() -> None:
    statistics = rng().normal(size=(12, 4))
    statistics[3] = np.nan
    cards = pool_of(**{f"image_{i}": statistics[:, i] for i in range(4)})
    twins = np.repeat(rng(3).normal(size=(4, 2)), 3, axis=0)
    assert set(broken_scans(cards, points(cards, twins), GUARD)) == {"p03"}


def test_slices_that_do_not_follow_one_another_are_broken_wherever_they_lie() -> None:
    cards = pool_of(image_slice_discontinuity=[0.4] * 10 + [0.99, 0.65, np.nan])
    found = broken_scans(
        cards, points(cards, rng(4).normal(size=(13, 2))), GuardParams(isolation=99.0, image_z=1e9)
    )
    assert set(found) == {"p10"}
    assert "slices" in found["p10"]


def test_a_few_patients_cannot_say_who_is_alone() -> None:
    cards = pool_of(uncertainty=[0.5] * 5)
    space = points(cards, [[0.0], [1.0], [2.0], [3.0], [99.0]])
    assert broken_scans(cards, space, GUARD) == {}


@pytest.mark.parametrize("wrong", [{"companions": 0}, {"isolation": 0.0}, {"image_share": 0.0}])
def test_impossible_guards_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        GuardParams(**wrong)  # type: ignore[arg-type]
