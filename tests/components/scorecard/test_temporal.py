from __future__ import annotations

import numpy as np
import pytest

from components.errors import ParameterError
from components.scorecard.temporal import CycleJumps, JumpBound, neighbour_dice, temporal_jumps
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

NAMES = {1: "left_ventricle", 2: "right_ventricle"}


def label_map(array: np.ndarray) -> LabelMap:
    grid = Geometry.axis_aligned(array.shape, (1.0, 1.0, 1.0))
    return LabelMap(labels=array.astype(np.uint8), geometry=grid, names=NAMES)


def random_map(seed: int) -> LabelMap:
    return label_map(np.random.default_rng(seed).integers(0, 3, (4, 5, 6)))


def brute_dice(a: np.ndarray, b: np.ndarray) -> float:
    scores = [
        2 * np.sum((a == v) & (b == v)) / (np.sum(a == v) + np.sum(b == v))
        for v in NAMES
        if np.sum(a == v) + np.sum(b == v)
    ]
    return float(np.mean(scores))


def test_neighbour_dice_agrees_with_brute_force() -> None:
    a, b = random_map(1), random_map(2)
    assert neighbour_dice(a, b) == pytest.approx(brute_dice(a.labels, b.labels))


def test_identical_frames_have_dice_one_and_disjoint_ones_zero() -> None:
    left, right = np.zeros((2, 2, 4)), np.zeros((2, 2, 4))
    left[..., :2], right[..., 2:] = 1, 1
    assert neighbour_dice(label_map(left), label_map(left)) == 1.0
    assert neighbour_dice(label_map(left), label_map(right)) == 0.0


@pytest.mark.parametrize("other", [None, label_map(np.zeros((3, 3, 3)))])
def test_what_cannot_be_compared_is_nan(other: LabelMap | None) -> None:
    assert np.isnan(neighbour_dice(label_map(np.zeros((2, 2, 2))), other))


def test_jumps_average_both_cyclic_neighbours() -> None:
    np.testing.assert_allclose(temporal_jumps([0.9, 0.5, 0.7]), [1 - 0.8, 1 - 0.7, 1 - 0.6])


def test_jumps_leave_out_missing_pairs() -> None:
    np.testing.assert_allclose(
        temporal_jumps([0.9, np.nan, np.nan, 0.7]), [0.2, 0.1, np.nan, 0.3], equal_nan=True
    )


def test_cycle_equals_all_pairs_at_once() -> None:
    maps = [random_map(seed) for seed in range(5)]
    cycle = CycleJumps()
    for i, one in enumerate(maps):
        cycle.add(f"f{i}", one)
    expected = [
        1
        - 0.5
        * (
            brute_dice(maps[i].labels, maps[i - 1].labels)
            + brute_dice(maps[i].labels, maps[(i + 1) % 5].labels)
        )
        for i in range(5)
    ]
    np.testing.assert_allclose(list(cycle.close().values()), expected)


def test_a_single_frame_has_no_jump() -> None:
    cycle = CycleJumps()
    cycle.add("only", random_map(0))
    assert np.isnan(cycle.close()["only"])


@pytest.mark.parametrize("wrong", [{"still": -0.1}, {"per_percent": -1.0}, {"widest_gap": 0.0}])
def test_impossible_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="widest_gap"):
        JumpBound(**wrong)


def test_bound_grows_with_the_distance_up_to_everything() -> None:
    bound = JumpBound(still=0.1, per_percent=0.01)
    assert [bound.at(gap) for gap in (0.0, 10.0, 35.0, 95.0)] == pytest.approx([0.1, 0.2, 0.45, 1.0])
