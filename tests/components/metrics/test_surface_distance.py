from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from monai.metrics import compute_surface_dice
from scipy import ndimage

from components.errors import ParameterError
from components.metrics.surface_cells import surface_cells
from components.metrics.surface_distance import hd95_mm, normalised_surface_dice


def brute_force(first: np.ndarray, second: np.ndarray, spacing_mm: tuple[float, float, float]) -> float:
    def surface(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1)
        points = []
        for z, y, x in np.argwhere(mask):
            faces = [
                padded[z + 1 + dz, y + 1 + dy, x + 1 + dx]
                for dz, dy, dx in itertools.product((-1, 0, 1), repeat=3)
                if abs(dz) + abs(dy) + abs(dx) == 1
            ]
            if not all(faces):
                points.append((z, y, x))
        return np.array(points) * spacing_mm

    a, b = surface(first), surface(second)
    distances = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return max(np.percentile(distances.min(axis=1), 95), np.percentile(distances.min(axis=0), 95))


@pytest.mark.parametrize("seed", range(4))
def test_equals_brute_force(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.random((2, 7, 8, 9)) < 0.25
    spacing_mm = (3.0, 1.5, 0.7)
    assert hd95_mm(first, second, spacing_mm) == pytest.approx(brute_force(first, second, spacing_mm))


def test_two_shifted_cubes() -> None:
    first, second = np.zeros((2, 12, 12, 12), dtype=bool)
    first[2:6, 2:6, 2:6] = True
    second[5:9, 2:6, 2:6] = True
    assert hd95_mm(first, first, (2.0, 1.0, 1.0)) == 0.0
    assert hd95_mm(first, second, (2.0, 1.0, 1.0)) == pytest.approx(6.0)


def test_empty_masks() -> None:
    empty, full = np.zeros((4, 5, 6), dtype=bool), np.ones((4, 5, 6), dtype=bool)
    assert np.isnan(hd95_mm(empty, empty, (1.0, 1.0, 1.0)))
    diagonal = np.sqrt((3 * 2) ** 2 + 4**2 + 5**2)
    assert hd95_mm(empty, full, (2.0, 1.0, 1.0)) == pytest.approx(diagonal)


def blob(seed: int, size: int = 24) -> np.ndarray:
    """A smooth random shape."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size,) * 3), 3.0)
    return np.asarray(noise > np.quantile(noise, 0.7))


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (3.0, 1.5, 0.7)])
@pytest.mark.parametrize("tolerance_mm", [0.0, 1.0, 2.5])
def test_surface_dice_near_monai(spacing_mm: tuple[float, float, float], tolerance_mm: float) -> None:
    """MONAI fills loops out of plane by a fixed table, so the areas differ a little."""
    first, second = blob(0), np.roll(blob(0), 1, axis=2) | blob(5)
    theirs = compute_surface_dice(
        torch.from_numpy(first)[None, None],
        torch.from_numpy(second)[None, None],
        [tolerance_mm],
        include_background=True,
        spacing=spacing_mm,
        use_subvoxels=True,
    )
    ours = normalised_surface_dice(first, second, spacing_mm, tolerance_mm=tolerance_mm)
    assert ours == pytest.approx(float(theirs), abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_surface_dice_equals_brute_force(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.random((2, 6, 7, 5)) < 0.3
    spacing_mm, tolerance_mm = (2.0, 1.0, 1.5), 1.6
    (place_a, area_a), (place_b, area_b) = (surface_cells(mask, spacing_mm) for mask in (first, second))
    distances = np.linalg.norm(place_a[:, None] - place_b[None], axis=-1)
    good = (
        area_a[distances.min(axis=1) <= tolerance_mm].sum()
        + area_b[distances.min(axis=0) <= tolerance_mm].sum()
    )
    expected = good / (area_a.sum() + area_b.sum())
    found = normalised_surface_dice(first, second, spacing_mm, tolerance_mm=tolerance_mm)
    assert found == pytest.approx(expected)


def test_surface_dice_of_a_shifted_slab() -> None:
    """Two sheets of one voxel: all of it is within the shift, nothing but the rims is within less."""
    first, second = np.zeros((2, 12, 30, 30), dtype=bool)
    first[3], second[7] = True, True
    spacing_mm = (2.0, 1.0, 1.0)
    assert normalised_surface_dice(first, second, spacing_mm, tolerance_mm=8.0) == 1.0
    assert normalised_surface_dice(first, second, spacing_mm, tolerance_mm=5.9) == 0.0
    half = normalised_surface_dice(first, second, spacing_mm, tolerance_mm=7.0)
    assert half == 0.5  # their facing sides lie 6 mm apart, their far sides 8 mm from the other's far side
    assert normalised_surface_dice(first, first, spacing_mm, tolerance_mm=0.0) == 1.0


def test_surface_dice_of_empty_masks() -> None:
    empty, full = np.zeros((4, 5, 6), dtype=bool), np.ones((4, 5, 6), dtype=bool)
    unit = (1.0, 1.0, 1.0)
    assert np.isnan(normalised_surface_dice(empty, empty, unit, tolerance_mm=1.0))
    assert normalised_surface_dice(empty, full, unit, tolerance_mm=1.0) == 0.0
    with pytest.raises(ParameterError, match="tolerance"):
        normalised_surface_dice(full, full, unit, tolerance_mm=float("nan"))
