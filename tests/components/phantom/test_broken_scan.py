"""Broken scans: what each fault leaves of a scan."""

from __future__ import annotations

import numpy as np
import pytest

from components.phantom.broken_scan import FAULTS, Fault, Voxels, broken


@pytest.fixture
def scan() -> Voxels:
    ramp = np.linspace(-900, 800, 16**3).reshape(16, 16, 16)
    return ramp.astype(np.int16)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_scan_is_another_of_the_same_form(scan: Voxels, fault: Fault) -> None:
    found = [broken(scan, fault, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert found[0].shape == scan.shape
    assert found[0].dtype == np.int16
    assert -1024 <= found[0].min() <= found[0].max() <= 3071
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    assert not np.array_equal(found[0], scan)


def test_shuffled_slices_are_all_there(scan: Voxels) -> None:
    shuffled = broken(scan, "shuffled slices", np.random.default_rng(0))
    assert sorted(map(bytes, shuffled)) == sorted(map(bytes, scan))


def test_overflow_clips_most_of_a_scan(scan: Voxels) -> None:
    found = broken(scan, "overflow", np.random.default_rng(0))
    assert np.isin(found, (-1024, 3071)).mean() > 0.5


def test_noise_knows_nothing_of_the_scan_and_an_empty_one_is_air(scan: Voxels) -> None:
    noise = broken(scan, "noise", np.random.default_rng(0)).ravel().astype(float)
    assert abs(np.corrcoef(noise, scan.ravel())[0, 1]) < 0.06
    empty = broken(scan, "empty", np.random.default_rng(0))
    assert (empty[:, :-1] < -900).all()
    assert (empty[:, -1] > -500).all()
