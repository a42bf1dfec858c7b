from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from components.scorecard.image_statistics import body_mask, image_statistics, slice_discontinuity
from components.volume.geometry import Geometry
from components.volume.volume import Volume


def volume(voxels: np.ndarray, spacing: tuple[float, float, float] = (2.0, 1.0, 1.0)) -> Volume:
    grid = Geometry.axis_aligned(voxels.shape, spacing)
    return Volume(voxels_hu=voxels.round().astype(np.int16), geometry=grid)


def chest(noise: float = 0.0, smooth: float = 0.0, seed: int = 0) -> np.ndarray:
    body = np.full((12, 64, 64), -1000.0)
    body[:, 8:56, 8:56] = 40.0
    body[:, 16:32, 16:32] = -850.0
    body[:, 44:50, 30:36] = 700.0
    grain = np.random.default_rng(seed).normal(size=body.shape)
    if smooth:
        grain = ndimage.gaussian_filter(grain, (0, smooth, smooth))
        grain /= grain.std()
    return body + noise * grain


@pytest.mark.parametrize("sd", [5.0, 20.0, 60.0])
def test_noise_of_white_grain_is_recovered(sd: float) -> None:
    assert image_statistics(volume(chest(sd)))["noise_hu"] == pytest.approx(sd, rel=0.1)


def test_a_smooth_kernel_raises_the_noise_correlation() -> None:
    sharp = image_statistics(volume(chest(20.0)))["noise_correlation"]
    soft = image_statistics(volume(chest(20.0, smooth=1.0)))["noise_correlation"]
    assert soft > sharp + 0.2


def test_fractions_are_of_the_filled_body() -> None:
    found = image_statistics(volume(chest()))
    body, lung, bone = 48 * 48, 16 * 16, 36
    assert found["body_fraction"] == pytest.approx(body / 64**2)
    assert found["air_fraction"] == pytest.approx(lung / body)
    assert found["bone_fraction"] == pytest.approx(bone / body)
    assert found["soft_fraction"] == pytest.approx(1 - (lung + bone) / body)
    assert found["hu_mean"] == pytest.approx(
        (40 * (body - lung - bone) - 850 * lung + 700 * bone) / body, rel=1e-5
    )


def test_field_of_view_is_size_times_spacing() -> None:
    found = image_statistics(volume(chest(), (3.0, 0.7, 0.5)))
    assert (found["fov_z_mm"], found["fov_y_mm"], found["fov_x_mm"]) == pytest.approx((36.0, 44.8, 32.0))


def test_sharpness_is_the_slope_of_a_ramp_per_mm() -> None:
    ramp = np.broadcast_to(np.arange(64.0) * 10, (4, 64, 64)).copy()
    assert image_statistics(volume(ramp, (1.0, 1.0, 0.5)))["sharpness_hu_per_mm"] == pytest.approx(20.0)


def test_body_mask_is_the_largest_object_without_table() -> None:
    voxels = chest().astype(np.int16)
    voxels[:, 60:62, 10:50] = 100
    mask = body_mask(voxels)
    assert mask[:, 20, 20].all()
    assert not mask[:, 60].any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 8, 8), (2, 3, 1)])
@pytest.mark.parametrize("value", [-1000, 40])
def test_degenerate_frames_give_numbers_or_nan_not_errors(shape: tuple[int, int, int], value: int) -> None:
    found = image_statistics(volume(np.full(shape, float(value))))
    assert found["fov_z_mm"] == shape[0] * 2.0


def test_large_volumes_agree_with_their_dense_version() -> None:
    rng = np.random.default_rng(1)
    large = np.kron(chest(), np.ones((4, 4, 4))) + rng.normal(0, 10, (48, 256, 256))
    found = image_statistics(volume(large))
    assert found["noise_hu"] == pytest.approx(10.0, rel=0.1)
    assert found["air_fraction"] == pytest.approx(1 / 9, abs=0.01)


def test_discontinuity_of_a_ramp_is_one_over_the_lag_and_without_order_one() -> None:
    """HU rise by the same step each 6 mm: four steps make 24 mm."""
    ramp = np.broadcast_to(np.arange(64.0)[:, None, None] * 9, (64, 16, 16))
    assert slice_discontinuity(volume(ramp, (6.0, 1.0, 1.0))) == pytest.approx(1 / 4)
    lost = ramp[np.random.default_rng(0).permutation(64)]
    assert slice_discontinuity(volume(lost, (6.0, 1.0, 1.0))) == pytest.approx(1.0, abs=0.35)
    noise = np.random.default_rng(1).normal(0, 100, (64, 64, 64))
    assert slice_discontinuity(volume(noise)) == pytest.approx(1.0, abs=0.15)


def test_discontinuity_is_of_blocks_so_that_grain_does_not_count() -> None:
    ramp = np.broadcast_to(np.arange(64.0)[:, None, None] * 9, (64, 64, 64))
    grain = np.random.default_rng(0).normal(0, 20, ramp.shape)
    assert slice_discontinuity(volume(ramp + grain, (6.0, 1.0, 1.0))) == pytest.approx(1 / 4, abs=0.02)


def test_discontinuity_of_two_slices_or_of_nothing_is_unknown() -> None:
    assert np.isnan(slice_discontinuity(volume(np.zeros((2, 8, 8)))))
    assert np.isnan(slice_discontinuity(volume(np.zeros((9, 8, 8)))))
