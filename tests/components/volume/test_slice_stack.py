import numpy as np
import pytest

from components.volume.slice_stack import SliceStack, grid, problems

AXIAL = [1.0, 0, 0, 0, 1, 0]


def stack(zs, orientation=AXIAL, direction=(0, 0, 1), tilt=0.0, noise=0.0):
    zs = np.asarray(zs, dtype=float)
    positions = zs[:, None] * np.array(direction, float) + np.array([5.0, 6.0, 7.0])
    positions += np.random.default_rng(0).normal(0, noise, positions.shape)
    n = len(zs)
    return SliceStack(
        positions_mm=positions,
        orientations=np.tile(np.array(orientation, float), (n, 1)),
        pixel_spacings_mm=np.tile([0.5, 0.6], (n, 1)),
        sizes=np.tile([4, 5], (n, 1)),
        tilt_degrees=tilt,
    )


def test_a_regular_stack_is_a_grid_whatever_its_order():
    shuffled = stack([4, 0, 2, 8, 6], noise=1e-4)
    assert problems(shuffled) == ()
    geometry = grid(shuffled)
    assert geometry.shape == (5, 4, 5)
    np.testing.assert_allclose(geometry.spacing_mm, (2.0, 0.5, 0.6), rtol=1e-3)
    np.testing.assert_allclose(geometry.affine[:3, 3], [5, 6, 7], atol=1e-3)


def test_an_oblique_stack_along_its_normal_is_regular():
    a = np.radians(30)
    orientation = [1, 0, 0, 0, np.cos(a), np.sin(a)]
    normal = np.cross(orientation[:3], orientation[3:])
    oblique = stack(np.arange(6) * 3.0, orientation, normal)
    assert problems(oblique) == ()
    np.testing.assert_allclose(grid(oblique).affine[:3, 0], normal * 3.0, atol=1e-9)


def test_the_same_tilted_planes_along_the_table_are_sheared():
    a = np.radians(18.5)
    assert problems(stack(np.arange(6), [1, 0, 0, 0, np.cos(a), -np.sin(a)])) == (
        "gantry tilt: slices are sheared by 18.5°",
    )


@pytest.mark.parametrize(
    ("zs", "words"),
    [
        ([0, 1, 2, 3, 4, 7, 8], "missing slices: 2 in 1 gaps"),
        ([0, 1, 2, 4, 5, 6, 8, 9, 10], "missing slices: 2 in 2 gaps"),
        ([0, 1.08, 5.08, 12.08], "mixed slice steps: 1.08, 4, 7 mm"),
        ([0, 2, 4, 6.3, 8.3], "mixed slice steps: 2, 2.3 mm"),
        ([0, 1, 1.004, 2, 3], "duplicate positions: 1 of 5"),
    ],
)
def test_irregular_steps_are_told_apart(zs, words):
    assert words in "; ".join(problems(stack(zs)))


def test_all_reasons_are_told_at_once():
    assert len(problems(stack([0, 1, 1, 5, 7.5], tilt=-5.0))) == 3


def test_one_slice_has_a_grid():
    assert grid(stack([0])).shape == (1, 4, 5)
