from __future__ import annotations

import itertools

import numpy as np
import pytest

from components.metrics.surface_distance import hd95_mm


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
