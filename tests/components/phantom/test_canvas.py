"""Solids against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from components.phantom.canvas import Canvas, Grid, Solid, cut, ellipsoid, joined, tube, without
from components.volume.geometry import Geometry


@pytest.fixture
def grid() -> Grid:
    geometry = Geometry.axis_aligned((60, 64, 68), (1.0, 1.0, 1.0), (-34.0, -32.0, -30.0))
    return Grid.of(geometry, warp_mm=0.0, length_mm=20.0, rng=np.random.default_rng(0))


def volume(grid: Grid, solid: Solid) -> int:
    canvas = Canvas.blank(grid)
    canvas.paint(solid, 100.0, label=1)
    return int(canvas.labels.sum())


def test_ellipsoid_has_its_volume_and_ball_its_distance(grid: Grid) -> None:
    turn = np.array([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    solid = ellipsoid(grid, np.array([2.0, -1.0, 0.5]), turn, (8.0, 12.0, 16.0))
    assert volume(grid, solid) == pytest.approx(4 / 3 * np.pi * 8 * 12 * 16, rel=0.01)
    ball = ellipsoid(grid, np.zeros(3), np.eye(3), (10.0, 10.0, 10.0))
    r = np.sqrt(grid.x**2 + grid.y**2 + grid.z**2)[ball.box]
    assert np.allclose(ball.distance_mm, r - 10, atol=0.02)


def test_tube_is_a_capsule(grid: Grid) -> None:
    path = np.array([[-15.0, 0.0, 0.0], [0.0, 0.0, 0.0], [15.0, 0.0, 0.0]])
    path += np.array([0.3, 0.2, 0.4])
    want = np.pi * 6.1**2 * 30 + 4 / 3 * np.pi * 6.1**3
    assert volume(grid, tube(grid, path, [6.1, 6.1, 6.1])) == pytest.approx(want, rel=0.02)


def test_cut_without_and_joined(grid: Grid) -> None:
    ball = ellipsoid(grid, np.zeros(3), np.eye(3), (12.0, 12.0, 12.0))
    half = cut(grid, ball, np.array([-0.5, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    whole = volume(grid, ball)
    assert volume(grid, half) == pytest.approx(whole * (0.5 - 0.75 * 0.5 / 12), rel=0.02)
    other = ellipsoid(grid, np.array([12.0, 0.0, 0.0]), np.eye(3), (12.0, 12.0, 12.0))
    both = volume(grid, joined(grid, [ball, other], blend_mm=1e-3))
    apart = volume(grid, without(ball, other)) + volume(grid, other)
    assert both == pytest.approx(apart, rel=0.002)


def test_painting_is_soft_at_the_edge_and_keeps_what_is_outside(grid: Grid) -> None:
    canvas = Canvas.blank(grid, hu=0.0)
    ball = ellipsoid(grid, np.zeros(3), np.eye(3), (10.0, 10.0, 10.0))
    canvas.paint(ball, 100.0, label=3)
    assert canvas.hu[30, 32, 34] == 100.0
    assert canvas.hu[0, 0, 0] == 0.0
    assert canvas.hu.sum() / 100 == pytest.approx(4 / 3 * np.pi * 1000, rel=0.01)
    assert set(np.unique(canvas.labels)) == {0, 3}


def test_a_solid_outside_the_grid_paints_nothing(grid: Grid) -> None:
    far = ellipsoid(grid, np.array([500.0, 0.0, 0.0]), np.eye(3), (10.0, 10.0, 10.0))
    assert far.distance_mm.size == 0
    assert volume(grid, far) == 0
