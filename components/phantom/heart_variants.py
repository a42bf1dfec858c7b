"""Rare hearts: what is drawn differently in a patient whose anatomy, position or contrast is not the usual one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from components.phantom.canvas import Point
from components.phantom.heart_anatomy import Enhancement, HeartAnatomy

USUAL = "usual"
MIRRORED = "mirrored"  # situs inversus: the whole scan is turned over after it was drawn
Redraw = Callable[[HeartAnatomy, np.random.Generator], HeartAnatomy]


def variant_of(name: str, heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    """``heart`` as a patient of the variant has it; the usual and the mirrored one keep theirs."""
    return _REDRAWN.get(name, _as_it_is)(heart, rng)


def variant_blood(name: str, blood: Enhancement, rng: np.random.Generator) -> Enhancement:
    """``pulmonary_timing``: the right heart is bright while the left one waits, as in a scan for pulmonary emboli."""
    if name != "pulmonary_timing":
        return blood
    bright, dim = rng.uniform(420, 520), rng.uniform(95, 135)
    return replace(
        blood,
        left_hu=dim,
        right_hu=bright,
        right_atrium_hu=0.95 * bright,
        pulmonary_hu=bright,
        myocardium_hu=0.8 * blood.myocardium_hu,
    )


def _as_it_is(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    return heart


def _dilated_left_ventricle(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    """Dilated cardiomyopathy: a large, round, weak ventricle in a thin wall."""
    grow = rng.uniform(1.8, 2.3)
    return replace(heart, cavity_ml=heart.cavity_ml * grow, ejection_fraction=rng.uniform(0.15, 0.3))


def _thick_wall(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    """Hypertrophic cardiomyopathy: twice the muscle around half the cavity."""
    return replace(
        heart,
        wall_ml=heart.wall_ml * rng.uniform(1.9, 2.4),
        cavity_ml=heart.cavity_ml * rng.uniform(0.4, 0.55),
    )


def _dilated_right_heart(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    """Pulmonary hypertension: right chambers and trunk wide, the left ventricle small."""
    grow = rng.uniform(1.25, 1.4)
    return replace(
        heart,
        right_ventricle=heart.right_ventricle * grow,
        right_atrium=heart.right_atrium * grow,
        pulmonary_mm=heart.pulmonary_mm * rng.uniform(1.4, 1.6),
        cavity_ml=heart.cavity_ml * 0.6,
    )


def _giant_left_atrium(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    """Old mitral disease."""
    return replace(heart, left_atrium=heart.left_atrium * rng.uniform(1.5, 1.75))


def _aortic_aneurysm(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    return replace(heart, aorta_mm=heart.aorta_mm * rng.uniform(1.7, 2.0))


def _small_heart(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    """A child's heart in an adult's field of view."""
    shrink = rng.uniform(0.5, 0.62)
    return replace(
        heart,
        scale=heart.scale * shrink,
        cavity_ml=heart.cavity_ml * shrink**3,
        wall_ml=heart.wall_ml * shrink**3,
        length_mm=heart.length_mm * shrink,
        shortening_mm=heart.shortening_mm * shrink,
        aorta_mm=heart.aorta_mm * shrink,
        pulmonary_mm=heart.pulmonary_mm * shrink,
        epicardial_fat_mm=heart.epicardial_fat_mm * shrink,
    )


def _turned(heart: HeartAnatomy, rng: np.random.Generator, axis: Point, degrees: float) -> HeartAnatomy:
    """The axes turned about ``axis`` (LPS), the heart's middle staying where it is."""
    t, k = np.radians(degrees), axis / np.linalg.norm(axis)
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    turn = np.eye(3) + np.sin(t) * cross + (1 - np.cos(t)) * cross @ cross
    axes = heart.axes @ turn.T
    middle = np.array([14.0, 0.0, 22.0])
    return replace(heart, axes=axes, base_mm=heart.base_mm + middle @ heart.axes - middle @ axes)


def _turned_backwards(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    """The apex points to the left and back, as after the loss of a left lung."""
    return _turned(heart, rng, np.array([0.0, 0.0, 1.0]), rng.uniform(45, 60))


_REDRAWN: dict[str, Redraw] = {
    "dilated_left_ventricle": _dilated_left_ventricle,
    "thick_wall": _thick_wall,
    "dilated_right_heart": _dilated_right_heart,
    "giant_left_atrium": _giant_left_atrium,
    "aortic_aneurysm": _aortic_aneurysm,
    "small_heart": _small_heart,
    "turned_backwards": _turned_backwards,
}
VARIANTS: tuple[str, ...] = (USUAL, MIRRORED, "pulmonary_timing", *_REDRAWN)
