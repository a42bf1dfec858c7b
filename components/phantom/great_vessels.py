"""The great vessels of a heart, from the valves outwards; the valves move, the far ends stay."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from components.phantom.body import Body
from components.phantom.canvas import Grid, Point, Solid, cut, joined, tube
from components.phantom.heart_anatomy import HeartAnatomy


def aorta(grid: Grid, heart: HeartAnatomy, body: Body, base_w: float) -> Solid:
    """Root, ascending aorta, arch and descending aorta beside the spine."""
    s, r = heart.scale, heart.aorta_mm
    valve = heart.world(13 * s, 13 * s, base_w - 0.5)
    still = heart.world(13 * s, 13 * s, -2)
    pig = heart.species == "porcine"
    lean = np.array([2.0, 2.0, 0.0] if pig else [-8.0, -3.0, 0.0])
    turn = np.array([5.0, 18.0, 0.0] if pig else [0.0, 23.0, 0.0])
    top = (56.0 if pig else 68.0) * s
    side, behind = body.vertebra_mm + 0.55 * r, body.spine_y_mm - 6
    ascending = [
        valve,
        still + 0.4 * (valve - still) + np.array([-2, -1, 14]) * s,
        still + lean * s + np.array([0, 0, 36]) * s,
    ]
    arch = [
        ascending[-1],
        still + lean * s + np.array([2, 8, top - 12 * s]),
        still + turn + np.array([4, 0, top]),
        np.array([side, behind - 14, still[2] + top - 8 * s]),
        np.array([side + 2, behind, still[2] + top - 30 * s]),
        np.array([side, behind, -10]),
        np.array([side - 4, behind - 2, -140]),
    ]
    root = cut(grid, tube(grid, np.stack(ascending), [0.95 * r, 1.12 * r, r]), valve, heart.axes[2])
    rest = tube(grid, *_rounded(np.stack(arch), [r * f for f in (1.0, 0.98, 0.92, 0.86, 0.82, 0.76, 0.7)]))
    return joined(grid, [root, rest], blend_mm=2.0)


def _rounded(points_mm: Point, radii_mm: list[float]) -> tuple[Point, list[float]]:
    """A path with two more points between each pair, on a monotone cubic through all of them."""
    knots = np.arange(len(points_mm))
    fine = np.linspace(0, len(points_mm) - 1, 3 * len(points_mm) - 2)
    path: Point = PchipInterpolator(knots, points_mm, axis=0)(fine)
    return path, np.interp(fine, knots, radii_mm).tolist()


def pulmonary_valve(heart: HeartAnatomy, towards_apex_mm: float) -> tuple[Point, Point]:
    """Its centre (moved with the beat) and the direction of flow, LPS."""
    s = heart.scale
    direction = heart.world(14, 60, -6) - heart.world(22, 46, 0)
    return heart.world(22 * s, 46 * s, towards_apex_mm), direction / np.linalg.norm(direction)


def pulmonary_artery(grid: Grid, heart: HeartAnatomy, base_w: float) -> Solid:
    """Trunk, and the right and left branches to the hila."""
    s, r = heart.scale, heart.pulmonary_mm
    valve, direction = pulmonary_valve(heart, 0.5 * base_w)
    fork = pulmonary_valve(heart, 0.0)[0] + np.array([2, 30, 24]) * s
    middle = 0.5 * (valve + fork) + np.array([1, -4, 4])
    trunk = cut(grid, tube(grid, np.stack([valve, middle, fork]), [r, r, 0.95 * r]), valve, -direction)
    branches = [
        tube(grid, np.stack([fork, *(fork + np.array(p) * s for p in path)]), [0.85 * r, 0.75 * r, 0.6 * r])
        for path in ([(-22, 10, -2), (-58, 14, -10)], [(20, 14, 4), (38, 24, -8)])
    ]
    return joined(grid, [trunk, *branches], blend_mm=4.0)


def pulmonary_veins(grid: Grid, heart: HeartAnatomy) -> tuple[Solid, ...]:
    """Two on each side, from the back of the left atrium to the hila."""
    s = heart.scale
    atrium = heart.world(1, 3, -18 * s)
    ends = [(-44, 8, 16), (-42, 16, -18), (42, 12, 20), (42, 26, -14)]
    bend = np.array([0.0, 5.0, 0.0])
    return tuple(
        tube(
            grid,
            np.stack([atrium, atrium + 0.55 * np.array(end) * s + bend, atrium + np.array(end) * s]),
            [9 * s, 6.5 * s, 4 * s],
        )
        for end in ends
    )


def cavae(grid: Grid, heart: HeartAnatomy) -> tuple[Solid, ...]:
    """The superior and the inferior vena cava."""
    s = heart.scale
    atrium = heart.world(43 * s, -14 * s, -22 * s)
    upper = np.stack([atrium, atrium + np.array([2, 4, 40]) * s, atrium + np.array([4, 2, 120])])
    lower = np.stack([atrium, atrium + np.array([4, 8, -36]) * s, atrium + np.array([10, 14, -140])])
    return tube(grid, upper, [10 * s, 9 * s, 8 * s]), tube(grid, lower, [12 * s, 12 * s, 11 * s])
