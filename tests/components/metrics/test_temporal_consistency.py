from __future__ import annotations

import numpy as np
import pytest

from components.metrics.temporal_consistency import (
    closure,
    cycle_of,
    largest_jump,
    mean_roughness,
    scale_ml,
    temporal_roughness,
    total_variation,
    variation_coefficient,
)

METRICS = (temporal_roughness, total_variation, largest_jump, closure)


def sine(frames: int, mean: float = 100.0, amplitude: float = 30.0) -> np.ndarray:
    return mean + amplitude * np.cos(2 * np.pi * np.arange(frames) / frames)


@pytest.mark.parametrize("frames", [4, 8, 20, 40])
def test_sine(frames: int) -> None:
    curve = sine(frames)
    assert temporal_roughness(curve) == pytest.approx(np.sqrt(2) * np.sin(np.pi / frames) ** 2)
    assert total_variation(curve) == pytest.approx(2.0)
    assert largest_jump(curve) == pytest.approx(np.sin(np.pi / frames) * np.cos(np.pi / frames))
    assert closure(curve) < 1.5


def test_a_frozen_curve_is_perfectly_smooth_and_proves_nothing() -> None:
    curve = np.full(10, 42.0)
    assert [metric(curve) for metric in METRICS] == [0.0] * 4
    assert variation_coefficient(curve) == 0.0


@pytest.mark.parametrize("place", [0, 3, 9])
def test_one_spike(place: int) -> None:
    curve = np.full(10, 50.0)
    curve[place] += 25.0
    assert temporal_roughness(curve) == pytest.approx(np.sqrt(6 / 10))
    assert total_variation(curve) == pytest.approx(2.0)
    assert largest_jump(curve) == pytest.approx(1.0)


def test_a_small_spike_is_measured_by_the_mean_volume() -> None:
    """The aorta has no stroke; its noise divided by itself would always be large."""
    curve = np.full(10, 50.0)
    curve[4] += 1.0
    assert scale_ml(curve) == pytest.approx(0.2 * 50.1)
    assert temporal_roughness(curve) == pytest.approx(np.sqrt(6 / 10) / 10.02)


def test_wavering_shows_in_roughness_and_variation() -> None:
    smooth, rough = sine(20), sine(20)
    rough[::2] += 10.0
    assert temporal_roughness(rough) > 3 * temporal_roughness(smooth)
    assert total_variation(rough) > 2.5


def test_units_and_start_of_the_cycle_do_not_matter() -> None:
    curve = np.random.default_rng(0).uniform(50, 100, 12)
    for metric in (temporal_roughness, total_variation, largest_jump):
        assert metric(3.0 * curve) == pytest.approx(metric(curve))
        assert metric(np.roll(curve, 5)) == pytest.approx(metric(curve))
        assert metric(curve[::-1]) == pytest.approx(metric(curve))


def test_closure_sees_ends_that_do_not_meet() -> None:
    open_cycle = np.linspace(100.0, 50.0, 11)
    assert closure(open_cycle) == pytest.approx(10.0)
    step = np.full(10, 50.0)
    step[-1] = 60.0
    assert closure(step) == pytest.approx(10.0 / np.sqrt(10.0**2 / 9))


def test_closure_of_a_curve_at_rest_does_not_explode() -> None:
    curve = np.full(10, 50.0)
    curve[-1] += 1e-9
    assert closure(curve) < 1e-6


@pytest.mark.parametrize("curve", [np.empty(0), np.zeros(10), np.array([5.0, 4.0]), np.full(8, np.nan)])
def test_what_cannot_be_measured_is_nan(curve: np.ndarray) -> None:
    assert all(np.isnan(metric(curve)) for metric in METRICS)


def test_variation_coefficient() -> None:
    assert variation_coefficient(np.array([90.0, 110.0])) == pytest.approx(0.1)
    assert np.isnan(variation_coefficient(np.array([100.0])))


def test_a_missing_frame_is_left_out_and_no_zero() -> None:
    curve = sine(20)
    curve[7] = np.nan
    second = np.diff(np.r_[sine(20)[-1], sine(20), sine(20)[0]], 2)[
        [i for i in range(20) if i not in (6, 7, 8)]
    ]
    assert temporal_roughness(curve) == pytest.approx(np.sqrt(np.mean(second**2)) / scale_ml(curve))
    assert np.isnan(total_variation(curve))
    assert largest_jump(curve) <= np.sin(np.pi / 20)


def test_frames_are_put_in_the_order_of_their_phases() -> None:
    shuffled = np.random.default_rng(1).permutation(10)
    assert cycle_of(10.0 * shuffled, shuffled.astype(float)).tolist() == list(range(10))


def test_a_gap_is_seen() -> None:
    series = cycle_of([0, 10, 20, 40, 50, 60, 70, 80, 90], list(range(9)))
    assert series.size == 10
    assert np.isnan(series[3])
    assert np.isfinite(series).sum() == 9
    late = cycle_of([0, 10, 20, 30, 40, 50, 60, 70, 80], list(range(9)))
    assert np.isnan(late[9])


def test_jitter_is_no_gap() -> None:
    assert np.isfinite(cycle_of([0.5, 10.9, 19.8, 30.1, 40.0, 50.2, 59.9, 70.0, 80.4, 90.1], range(10))).all()
    assert cycle_of([0, 33, 67], [1, 2, 3]).tolist() == [1, 2, 3]


def test_both_ends_of_the_cycle_are_one_phase() -> None:
    assert cycle_of([0, 25, 50, 75, 100], [1, 2, 3, 4, 9]).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("phases", [[0, 0, 50], [0, 5, 20, 50], [0, 14, 50, 60], [0, float("nan"), 20]])
def test_uneven_phases_have_no_series(phases: list[float]) -> None:
    assert cycle_of(phases, list(range(len(phases)))).size == 0


def test_mean_over_structures_that_are_there() -> None:
    curves = {"left_ventricle": sine(20), "aorta": np.full(20, 10.0), "right_atrium": np.zeros(20)}
    assert mean_roughness(curves) == pytest.approx(temporal_roughness(sine(20)) / 2)
    assert np.isnan(mean_roughness({}))
