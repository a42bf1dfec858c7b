"""Each change of grey values does what its name says, and can be replayed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from components.models.intensity import IntensityChange, apply_intensity, draw_intensity
from components.models.training_plan import Augmentation

SHAPE = (12, 14, 16)
NOTHING = IntensityChange(
    coarse=None, blur_sigma=0.0, curve=None, gain=1.0, offset=0.0,
    noise=None, kernel=0.0,
)  # fmt: skip
EVERYTHING = Augmentation(blur=1.0, curve=0.5, kernel=1.0, low_resolution=1.0)


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPE, dtype=np.float32)


def test_no_change_changes_nothing() -> None:
    assert np.array_equal(apply_intensity(image(), NOTHING), image())


def test_a_drawn_change_can_be_replayed_and_leaves_its_input_alone() -> None:
    source = image()
    change = draw_intensity(EVERYTHING, SHAPE, np.random.default_rng(1))
    first, again = apply_intensity(source, change), apply_intensity(source, change)
    assert np.array_equal(first, again)
    assert np.array_equal(source, image())
    assert first.dtype == np.float32
    assert first.shape == SHAPE


def test_what_is_off_draws_nothing() -> None:
    """So that a plan without the newer changes sees the images that it always saw."""
    generator, plain = np.random.default_rng(2), np.random.default_rng(2)
    change = draw_intensity(Augmentation(blur=0.0), SHAPE, generator)
    plain.random(), plain.uniform(-1, 1), plain.uniform(-1, 1), plain.random()
    plain.standard_normal(SHAPE, dtype=np.float32)
    assert generator.random() == plain.random()
    assert (change.coarse, change.curve, change.kernel) == (None, None, 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_a_contrast_curve_keeps_order_and_ends(seed: int) -> None:
    steps = np.exp(0.9 * np.random.default_rng(seed).uniform(-1, 1, 4))
    ramp = np.linspace(0, 1, int(np.prod(SHAPE)), dtype=np.float32).reshape(SHAPE)
    bent = apply_intensity(ramp, dataclasses.replace(NOTHING, curve=steps)).ravel()
    assert bent[0] == pytest.approx(0.0, abs=1e-6)
    assert bent[-1] == pytest.approx(1.0, abs=1e-6)
    assert np.diff(bent).min() > -2e-3  # one entry of the table
    knots = np.concatenate(([0.0], np.cumsum(steps) / steps.sum()))
    exact = np.interp(ramp.ravel(), np.linspace(0, 1, 5), knots)
    assert np.abs(bent - exact).max() < 2e-3


def test_a_kernel_sharpens_or_softens_what_the_gaussian_takes_away() -> None:
    source = image()
    soft = ndimage.gaussian_filter(source, 0.8, truncate=2.0)
    for kernel in (-1.0, 0.6):
        changed = apply_intensity(source, dataclasses.replace(NOTHING, kernel=kernel))
        assert np.allclose(changed, source + kernel * (source - soft), atol=1e-6)
    assert apply_intensity(source, dataclasses.replace(NOTHING, kernel=0.6)).std() > source.std() > soft.std()


def test_a_kernel_correlates_the_noise() -> None:
    noise = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    changed = apply_intensity(
        np.zeros(SHAPE, dtype=np.float32), dataclasses.replace(NOTHING, noise=noise, kernel=-0.8)
    )

    def neighbours(field: np.ndarray) -> float:
        return float(np.corrcoef(field[:, :, 1:].ravel(), field[:, :, :-1].ravel())[0, 1])

    assert abs(neighbours(noise)) < 0.1
    assert neighbours(changed) > 0.3


def test_thick_slices_are_means_and_keep_the_plane() -> None:
    source = np.zeros(SHAPE, dtype=np.float32)
    source[6:] = 1.0
    source[:, :, 8:] += 2.0
    changed = apply_intensity(source, dataclasses.replace(NOTHING, coarse=(4, 14, 16)))
    assert changed.mean() == pytest.approx(source.mean(), rel=1e-5)
    assert np.allclose(changed[0, 0], source[0, 0])  # nothing moved within the slice
    assert 0.0 < changed[5, 0, 0] < 0.5 < changed[6, 0, 0] < 1.0


def test_low_resolution_touches_the_slices_the_plane_or_both() -> None:
    drawn = {
        tuple(n < full for n, full in zip(change.coarse, SHAPE, strict=True))
        for seed in range(40)
        if (change := draw_intensity(EVERYTHING, SHAPE, np.random.default_rng(seed))).coarse is not None
    }
    assert {(True, False, False), (False, True, True), (True, True, True)} <= drawn
