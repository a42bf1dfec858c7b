"""The seven structures of a heart at one moment of its cycle, as solids on a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.phantom.body import Body
from components.phantom.canvas import Grid, Point, Solid, cut, ellipsoid, joined, tube, without
from components.phantom.great_vessels import aorta, cavae, pulmonary_artery, pulmonary_valve, pulmonary_veins
from components.phantom.heart_anatomy import HeartAnatomy
from components.phantom.heart_motion import APEX_WALL, Ventricle, emptying, left_ventricle


@dataclass(frozen=True, kw_only=True, eq=False)
class HeartSolids:
    """Lumina, the left ventricle's outer surface and the vessels without a label, at one phase."""

    left_ventricle: Solid
    epicardium: Solid
    papillary_muscles: tuple[Solid, ...]
    right_ventricle: Solid
    left_atrium: Solid
    right_atrium: Solid
    aorta: Solid
    pulmonary_artery: Solid
    veins: tuple[Solid, ...]
    cavae: tuple[Solid, ...]
    coronaries: tuple[Solid, ...]


def heart_at(grid: Grid, heart: HeartAnatomy, body: Body, phase_percent: float) -> HeartSolids:
    """The heart's solids at ``phase_percent`` of R-R."""
    a = emptying(phase_percent)
    moment = left_ventricle_at(heart, phase_percent)
    cavity, epicardium = _left_ventricle(grid, heart, moment)
    left_atrium = _left_atrium(grid, heart, a, moment.base_w)
    return HeartSolids(
        left_ventricle=cavity,
        epicardium=epicardium,
        papillary_muscles=_papillary_muscles(grid, heart, moment),
        right_ventricle=without(_right_ventricle(grid, heart, a), epicardium, 0.5),
        left_atrium=left_atrium,
        right_atrium=without(_right_atrium(grid, heart, a), left_atrium, 2.0),
        aorta=aorta(grid, heart, body, moment.base_w),
        pulmonary_artery=pulmonary_artery(grid, heart, moment.base_w),
        veins=pulmonary_veins(grid, heart),
        cavae=cavae(grid, heart),
        coronaries=tuple(
            tube(grid, path, np.linspace(1.9, 1.0, len(path)).tolist())
            for path in coronary_paths(heart, phase_percent)
        ),
    )


def left_ventricle_at(heart: HeartAnatomy, phase_percent: float) -> Ventricle:
    """The left ventricle's shape at a phase, in the heart's own axis."""
    a = emptying(phase_percent)
    return left_ventricle(
        cavity_ml=heart.cavity_ml * (1 - heart.ejection_fraction * a),
        wall_ml=heart.wall_ml,
        apex_w=heart.length_mm - 1.5 * a,
        base_w=heart.shortening_mm * a,
    )


def _left_ventricle(grid: Grid, heart: HeartAnatomy, moment: Ventricle) -> tuple[Solid, Solid]:
    centre = heart.world(0, 0, moment.centre_w)
    plane = heart.world(0, 0, moment.base_w)
    thick = moment.radius + moment.wall
    inner = (moment.radius, moment.radius, moment.half_length)
    outer = (thick, thick, moment.half_length + APEX_WALL * moment.wall)
    cavity, epicardium = (
        cut(grid, ellipsoid(grid, centre, heart.axes, semi), plane, -heart.axes[2]) for semi in (inner, outer)
    )
    return cavity, epicardium


def _papillary_muscles(grid: Grid, heart: HeartAnatomy, moment: Ventricle) -> tuple[Solid, ...]:
    """Two fingers of muscle on the free wall; as in most contouring rules they count as cavity."""
    r = moment.radius
    where = [(0.62 * r * np.cos(t), 0.62 * r * np.sin(t)) for t in np.radians([135.0, 235.0])]
    middle = moment.centre_w + 0.25 * moment.half_length
    semi = (0.17 * r + 0.5, 0.17 * r + 0.5, 0.36 * moment.half_length)
    return tuple(ellipsoid(grid, heart.world(u, v, middle), heart.axes, semi) for u, v in where)


def _right_ventricle(grid: Grid, heart: HeartAnatomy, a: float) -> Solid:
    """A crescent on the septum and its outflow tract up to the pulmonary valve."""
    s = heart.scale * heart.right_ventricle
    septum = 25.5 * heart.scale
    body = ellipsoid(
        grid,
        heart.world(septum + (8 - 6 * a) * s, -4, 24 * s),
        heart.axes,
        ((31 - 6 * a) * s, (43 - 7 * a) * s, 58 * s),
    )
    body = cut(grid, body, heart.world(0, 0, _tricuspid_w(heart, a)), -heart.axes[2])
    valve, direction = pulmonary_valve(heart, 8 * a)
    path = np.stack([heart.world(46 * s, 16, 26 * s), heart.world(36 * s, 34 * s, 12 * s), valve])
    outflow = tube(grid, path, [(19 - 4 * a) * s, (16 - 3 * a) * s, heart.pulmonary_mm])
    return joined(grid, [body, cut(grid, outflow, valve, direction)], blend_mm=8.0)


def _tricuspid_w(heart: HeartAnatomy, a: float) -> float:
    """Where the tricuspid plane stands: it moves further than the mitral one."""
    return heart.scale * (2 + 17 * a)


def _left_atrium(grid: Grid, heart: HeartAnatomy, a: float, base_w: float) -> Solid:
    """A chamber behind the mitral plane, its appendage reaching forward beside the pulmonary trunk."""
    s = heart.scale * heart.left_atrium
    grow = 1 + 0.13 * a
    centre = heart.world(1, 3, -15 * s + 0.4 * base_w)
    body = ellipsoid(grid, centre, heart.axes, (27 * s * grow, 24 * s * grow, 20 * s * (1 + 0.25 * a)))
    body = cut(grid, body, heart.world(0, 0, base_w), heart.axes[2])
    points = [(-14 * s, 20 * s, -10), (-18 * s, 34 * s, -2), (-12 * s, 42 * s, 10)]
    path = np.stack([heart.world(*point) for point in points])
    return joined(grid, [body, tube(grid, path, [9 * s * grow, 7 * s * grow, 4.5 * s * grow])], blend_mm=5.0)


def _right_atrium(grid: Grid, heart: HeartAnatomy, a: float) -> Solid:
    """A chamber behind the tricuspid plane, with the broad appendage beside the aortic root."""
    s = heart.scale * heart.right_atrium
    grow = 1 + 0.08 * a
    centre = heart.world(43 * s, -14 * s, -16 * s + 6 * a)
    body = ellipsoid(grid, centre, heart.axes, (25 * s * grow, 31 * s * grow, 24 * s * (1 + 0.2 * a)))
    points = [(46 * s, 10 * s, -14 * s), (46 * s, 28 * s, -4 * s), (38 * s, 36 * s, 2)]
    ear = tube(grid, np.stack([heart.world(*point) for point in points]), [13 * s, 9 * s, 5 * s])
    plane = heart.world(0, 0, _tricuspid_w(heart, a) - 1)
    return cut(grid, joined(grid, [body, ear], blend_mm=6.0), plane, heart.axes[2])


def coronary_paths(heart: HeartAnatomy, phase_percent: float) -> tuple[Point, ...]:
    """Left anterior descending, circumflex and right coronary artery in their grooves, ``(n, 3)`` LPS mm."""
    moment, a = left_ventricle_at(heart, phase_percent), emptying(phase_percent)
    outer = moment.radius + moment.wall + 2.0
    reach = moment.half_length + APEX_WALL * moment.wall + 2.0

    def on_wall(degrees: float, w: float) -> Point:
        r = outer * np.sqrt(max(1 - ((w - moment.centre_w) / reach) ** 2, 0.0))
        return heart.world(r * np.cos(np.radians(degrees)), r * np.sin(np.radians(degrees)), w)

    ostium = heart.world(18 * heart.scale, 26 * heart.scale, moment.base_w - 2)
    along = moment.base_w + np.linspace(0.06, 0.9, 6) * (heart.length_mm - moment.base_w)
    descending = [ostium, *(on_wall(62 - 14 * i / 5, float(w)) for i, w in enumerate(along))]
    circumflex = [ostium, *(on_wall(float(t), moment.base_w + 1) for t in np.linspace(80, 215, 6))]
    s, w = heart.scale * heart.right_ventricle, _tricuspid_w(heart, a)
    around = [(18, 18, -6), (36, 30, 0), (58, 26, 1), (68, 0, 1), (62, -26, 1), (44, -42, 1)]
    right = [heart.world(u * s, v * s, w + dw) for u, v, dw in around]
    return np.stack(descending), np.stack(circumflex), np.stack(right)
