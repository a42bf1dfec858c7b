from __future__ import annotations

import numpy as np
import pytest
from monai.metrics.utils import create_table_neighbour_code_to_surface_area

from components.metrics.surface_cells import cell_areas_mm2, surface_cells

ISOTROPIC, ODD = (1.0, 1.0, 1.0), (3.0, 1.5, 0.7)


def ball(radius_mm: float, spacing_mm: tuple[float, float, float], size: int = 40) -> np.ndarray:
    axes = [(np.arange(size) - size / 2 + 0.3) * step for step in spacing_mm]
    return sum(a**2 for a in np.meshgrid(*axes, indexing="ij")) <= radius_mm**2


def test_a_corner_cuts_off_a_triangle() -> None:
    """Legs of half a voxel: an equilateral triangle of side √½ has the area √3 / 8."""
    areas = cell_areas_mm2(ISOTROPIC)
    assert [areas[1 << bit] for bit in range(8)] == pytest.approx([np.sqrt(3) / 8] * 8)
    assert areas[0] == areas[255] == 0.0


def test_half_a_cell_has_the_area_of_a_voxel_face() -> None:
    areas = cell_areas_mm2(ODD)
    assert areas[0b00001111] == pytest.approx(1.5 * 0.7)  # z = 0 inside
    assert areas[0b00110011] == pytest.approx(3.0 * 0.7)
    assert areas[0b01010101] == pytest.approx(3.0 * 1.5)


def test_areas_are_symmetric_under_inside_and_outside_where_nothing_is_ambiguous() -> None:
    areas = cell_areas_mm2(ODD)
    convex = [code for code in range(256) if bin(code).count("1") <= 1]
    assert areas[convex] == pytest.approx(areas[[255 - code for code in convex]])


def has_checkered_face(code: int) -> bool:
    """Inside and outside corners alternate around a face, which leaves two ways to join the cuts."""
    cube = np.array([code >> bit & 1 for bit in range(8)]).reshape(2, 2, 2)
    faces = [np.take(cube, side, axis) for axis in range(3) for side in (0, 1)]
    return any(f[0, 0] == f[1, 1] != f[0, 1] == f[1, 0] for f in faces)


@pytest.mark.parametrize("spacing_mm", [ISOTROPIC, ODD])
def test_areas_against_the_published_table(spacing_mm: tuple[float, float, float]) -> None:
    """Flat loops agree; one out of plane can be filled in several ways, and ours is never the larger filling."""
    table = create_table_neighbour_code_to_surface_area(spacing_mm)[0].numpy().ravel()
    codes = [code for code in range(1, 255) if not has_checkered_face(code)]
    reversed_bits = [int(f"{code:08b}"[::-1], 2) for code in codes]
    ratio = cell_areas_mm2(spacing_mm)[codes] / table[reversed_bits]
    assert np.isclose(ratio, 1.0, atol=1e-4).sum() > 60
    assert ratio.max() < 1.0001
    assert ratio.min() > 0.65


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (1.5, 1.0, 0.8)])
def test_area_of_a_ball(spacing_mm: tuple[float, float, float]) -> None:
    """Cuts in the middle of edges give a stepped surface, 5 to 10 % larger than the smooth one."""
    _, areas = surface_cells(ball(12.0, spacing_mm), spacing_mm)
    assert areas.sum() / (4 * np.pi * 12.0**2) == pytest.approx(1.08, abs=0.04)


def test_a_box_at_the_edge_of_the_grid_is_closed() -> None:
    whole = np.ones((4, 5, 6), dtype=bool)
    inner = np.zeros((8, 9, 10), dtype=bool)
    inner[2:6, 2:7, 2:8] = True
    assert surface_cells(whole, ODD)[1].sum() == pytest.approx(surface_cells(inner, ODD)[1].sum())
    places = surface_cells(whole, ODD)[0]
    assert places.min(axis=0) == pytest.approx([-1.5, -0.75, -0.35])
