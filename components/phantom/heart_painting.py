"""Paint a heart's solids: fat, walls, blood with its uneven mixing, coronary arteries, and the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.cohort.structures import HEART_LABELS
from components.phantom.canvas import Canvas, Grid, Solid
from components.phantom.heart_anatomy import Enhancement, HeartAnatomy
from components.phantom.heart_shapes import HeartSolids
from components.phantom.texture import Array, smooth_field

LABEL = {name: value for value, name in HEART_LABELS.items()}
FAT_HU = -85.0


@dataclass(frozen=True, kw_only=True, eq=False)
class HeartTexture:
    """Fields ``(z, y, x)`` of one patient: ``grain`` (6 mm, trabeculae) and ``mixing`` (28 mm, contrast)."""

    grain: Array
    mixing: Array

    @staticmethod
    def of(grid: Grid, rng: np.random.Generator) -> HeartTexture:
        shape, spacing = grid.geometry.shape, grid.geometry.spacing_mm
        return HeartTexture(
            grain=smooth_field(shape, spacing, 6.0, rng), mixing=smooth_field(shape, spacing, 28.0, rng)
        )


def paint_heart(
    canvas: Canvas, solids: HeartSolids, heart: HeartAnatomy, blood: Enhancement, texture: HeartTexture
) -> None:
    """Fat first, then vessels without a label, walls, and lumina in the order in which they cover."""
    _paint_fat(canvas, solids, heart.epicardial_fat_mm + 2.0)
    _paint_veins(canvas, solids, blood)
    muscle = 0.8 * blood.myocardium_hu
    for chamber, wall_mm in (
        (solids.right_atrium, 2.0),
        (solids.left_atrium, 2.0),
        (solids.right_ventricle, 3.0),
    ):
        canvas.paint(chamber, muscle, grow_mm=wall_mm)
    right_atrium = _mixed(blood.right_atrium_hu, 0.10, texture, solids.right_atrium)
    canvas.paint(solids.right_atrium, right_atrium, label=LABEL["right_atrium"])
    canvas.paint(solids.left_atrium, blood.left_hu, label=LABEL["left_atrium"])
    canvas.paint(
        solids.right_ventricle, _trabeculated(blood, texture, solids), label=LABEL["right_ventricle"]
    )
    for vessel, hu, name in (
        (solids.pulmonary_artery, blood.pulmonary_hu, "pulmonary_artery"),
        (solids.aorta, blood.left_hu, "aorta"),
    ):
        canvas.paint(vessel, 60.0, label=0, grow_mm=1.5)
        canvas.paint(vessel, hu, label=LABEL[name])
    wall_hu = blood.myocardium_hu + 5 * texture.grain[solids.epicardium.box]
    canvas.paint(solids.epicardium, wall_hu, label=LABEL["myocardium"])
    canvas.paint(solids.left_ventricle, blood.left_hu, label=LABEL["left_ventricle"])
    _paint_papillary_muscles(canvas, solids, blood)
    for artery in solids.coronaries:
        canvas.paint(artery, 0.9 * blood.left_hu)


def _paint_fat(canvas: Canvas, solids: HeartSolids, thickness_mm: float) -> None:
    for solid in (solids.right_atrium, solids.left_atrium, solids.right_ventricle, solids.epicardium):
        canvas.paint(solid, FAT_HU, grow_mm=thickness_mm)


def _paint_veins(canvas: Canvas, solids: HeartSolids, blood: Enhancement) -> None:
    for group, hu in ((solids.cavae, blood.right_atrium_hu), (solids.veins, blood.left_hu)):
        for vessel in group:
            canvas.paint(vessel, 50.0, grow_mm=1.5)
            canvas.paint(vessel, hu)


def _mixed(hu: float, unevenness: float, texture: HeartTexture, solid: Solid) -> Array:
    """Blood into which the contrast has not mixed evenly."""
    out: Array = np.float32(hu) * (1 + np.float32(unevenness) * texture.mixing[solid.box])
    return out


def _trabeculated(blood: Enhancement, texture: HeartTexture, solids: HeartSolids) -> Array:
    """Blood of the right ventricle with strands of muscle along its wall; all of it has its label."""
    solid = solids.right_ventricle
    hu = _mixed(blood.right_hu, 0.06, texture, solid)
    strands = np.clip(2 * texture.grain[solid.box] - 1.2, 0, 1) * np.clip(1.4 + solid.distance_mm / 5, 0, 1)
    out: Array = hu + np.float32(0.7) * strands * (np.float32(blood.myocardium_hu) - hu)
    return out


def _paint_papillary_muscles(canvas: Canvas, solids: HeartSolids, blood: Enhancement) -> None:
    for muscle in solids.papillary_muscles:
        canvas.paint(muscle, blood.myocardium_hu, opacity=0.85)
