from itertools import permutations, product

import numpy as np
import pytest

from components.volume.geometry import Geometry
from components.volume.stated_grid import is_orientation, oriented_grid, respaced

ALL = ["".join(letters) for order in permutations(("LR", "PA", "SI")) for letters in product(*order)]


@pytest.mark.parametrize("orientation", ALL)
def test_an_oriented_grid_says_what_it_was_told(orientation):
    grid = oriented_grid((4, 5, 6), (3.0, 2.0, 1.0), orientation)
    assert grid.orientation == orientation
    assert grid.spacing_mm == (3.0, 2.0, 1.0)
    assert grid.shape == (4, 5, 6)
    assert is_orientation(orientation)


def test_slices_from_head_to_foot_step_downwards():
    grid = oriented_grid((4, 5, 6), (3.0, 2.0, 1.0), "LPI")
    np.testing.assert_array_equal(grid.affine @ [1, 0, 0, 1], [0, 0, -3, 1])  # one slice: towards the feet
    np.testing.assert_array_equal(grid.affine @ [0, 1, 0, 1], [0, 2, 0, 1])  # one row: to the back
    np.testing.assert_array_equal(grid.affine @ [0, 0, 1, 1], [1, 0, 0, 1])  # one column: to the left


@pytest.mark.parametrize("text", ["", "LP", "LPSS", "LLS", "lps", "LRS", "XYZ", "L S"])
def test_other_letters_are_no_orientation(text):
    assert not is_orientation(text)


def test_other_spacing_keeps_directions_and_first_voxel():
    cos, sin = np.cos(0.3), np.sin(0.3)
    affine = np.array([[0, -sin * 2, cos, 7.0], [0, cos * 2, sin, 8], [-5, 0, 0, 9], [0, 0, 0, 1]])
    grid = respaced(Geometry(shape=(3, 4, 5), affine=affine), (1.5, 0.5, 0.25))
    np.testing.assert_allclose(grid.spacing_mm, (1.5, 0.5, 0.25))
    np.testing.assert_allclose(grid.affine[:3, 3], (7, 8, 9))
    np.testing.assert_allclose(grid.affine[:3, 0], (0, 0, -1.5))
    np.testing.assert_allclose(grid.affine[:3, 2], np.array([cos, sin, 0]) * 0.25)
