"""What a scanner does to an image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from components.phantom.scanner import SCANNERS, Scanner, acquire

STILL = Scanner(
    site="x", manufacturer="x", model="x", kernel="x", blur_mm=0.0, sharpening=0.0, noise_hu=0.0,
    texture_mm=1.0, slice_thickness_mm=1.0,
)  # fmt: skip
SPACING = (2.0, 1.0, 1.0)


def water() -> np.ndarray:
    return np.zeros((24, 48, 48), dtype=np.float32)


@pytest.mark.parametrize("name", SCANNERS)
def test_noise_has_the_deviation_asked_for(name: str) -> None:
    scanner = SCANNERS[name]
    voxels = acquire(water(), SPACING, scanner, np.random.default_rng(0))
    assert voxels.dtype == np.int16
    assert voxels.std() == pytest.approx(scanner.noise_hu / scanner.dose**0.5, rel=0.03)
    assert voxels.mean() == pytest.approx(scanner.hu_offset, abs=1.0)


def test_half_the_dose_gives_root_two_times_the_noise() -> None:
    noisy = replace(STILL, noise_hu=20.0, dose=0.5)
    assert acquire(water(), SPACING, noisy, np.random.default_rng(0)).std() == pytest.approx(28.28, rel=0.03)


def test_a_soft_kernel_has_coarser_noise_than_a_sharp_one() -> None:
    def coarseness(texture_mm: float) -> float:
        scanner = replace(STILL, noise_hu=20.0, texture_mm=texture_mm)
        image = acquire(water(), SPACING, scanner, np.random.default_rng(0)).astype(float)
        return float(np.corrcoef(image[:, :, 1:].ravel(), image[:, :, :-1].ravel())[0, 1])

    assert coarseness(2.0) > coarseness(0.5) + 0.2


def test_blur_is_a_gaussian_of_its_full_width_at_half_maximum() -> None:
    image = water()
    image[:, :, 24:] = 1000
    got = acquire(image, SPACING, replace(STILL, blur_mm=4.71), np.random.default_rng(0))
    want = ndimage.gaussian_filter1d(image, 2.0, axis=2, truncate=3.0)
    assert np.abs(got - want).max() < 2


def test_a_sharp_kernel_overshoots_at_an_edge() -> None:
    image = water()
    image[:, :, 24:] = 1000
    got = acquire(image, SPACING, replace(STILL, sharpening=1.0), np.random.default_rng(0))
    assert got.max() > 1200


def test_thick_slices_average_along_z_only() -> None:
    image = water()
    image[12] = 1000
    got = acquire(image, SPACING, replace(STILL, slice_thickness_mm=8.0), np.random.default_rng(0))
    assert 300 < got[12].max() < 700
    assert got[:, 5, 5].sum() == pytest.approx(1000, abs=20)


def test_low_voltage_brightens_iodine_only_by_the_tube() -> None:
    assert STILL.iodine_gain == 1.0
    assert replace(STILL, kvp=100.0).iodine_gain == pytest.approx(1.2)
