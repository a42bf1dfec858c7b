"""Findings of the heart, the vessels and the mediastinum, and what surgeons leave behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.phantom.canvas import UPRIGHT, Solid, ellipsoid, joined, tube
from components.phantom.chest_scene import ChestScene
from components.phantom.heart_anatomy import HeartAnatomy


def with_cardiomegaly(heart: HeartAnatomy, rng: np.random.Generator) -> HeartAnatomy:
    """A dilated heart: a cardiothoracic ratio well above one half."""
    grow = rng.uniform(1.24, 1.42)
    return replace(
        heart,
        scale=heart.scale * grow,
        cavity_ml=heart.cavity_ml * grow**3,
        wall_ml=heart.wall_ml * grow**2.2,
        length_mm=heart.length_mm * grow,
        base_mm=heart.base_mm + (1 - grow) * 22 * heart.axes[2] + np.array([4.0, 4.0, 4.0]),
    )


def draw_pericardial_effusion(scene: ChestScene, rng: np.random.Generator) -> None:
    """A rind of fluid around the heart, deepest behind and below; drawn before the heart itself."""
    thickness = rng.uniform(8, 20)
    solids, grid = scene.solids, scene.canvas.grid
    sac = joined(grid, [solids.epicardium, solids.right_ventricle, solids.right_atrium], blend_mm=12.0)
    centre_z = np.float32(scene.heart.world(14, 0, 22)[2])
    deeper = np.clip((centre_z - grid.z[sac.box]) / 40, -0.6, 0.6)
    thick = thickness * (1 + 0.5 * deeper) + scene.heart.epicardial_fat_mm + 2
    rind = np.asarray(sac.distance_mm - thick, dtype=np.float32)
    scene.canvas.paint(Solid(box=sac.box, distance_mm=rind), 14.0)


def draw_coronary_artery_wall_calcification(scene: ChestScene, rng: np.random.Generator) -> None:
    """Chalk along the coronary arteries: short streaks of 600 to 1300 HU."""
    for path in scene.coronaries:
        for _ in range(rng.integers(3, 8)):
            i = int(rng.integers(len(path) - 1))
            t = np.sort(rng.uniform(0, 1, 2))
            ends = path[i] + t[:, None] * (path[i + 1] - path[i]) + rng.normal(0, 0.6, 3)
            radius = rng.uniform(1.6, 2.9)
            scene.canvas.paint(tube(scene.canvas.grid, ends, [radius, radius]), rng.uniform(600, 1300))


def draw_arterial_wall_calcification(scene: ChestScene, rng: np.random.Generator) -> None:
    """Plaques in the wall of the arch and the descending aorta."""
    aorta = scene.solids.aorta
    grid = scene.canvas.grid
    shell = np.abs(aorta.distance_mm + 0.5) - 1.6
    plaques = (np.float32(rng.uniform(0.7, 1.1)) - scene.noise(13.0, rng)[aorta.box]) * 5
    beyond_root = np.minimum(20 - grid.y[aorta.box], 45 - grid.z[aorta.box])
    distance = np.maximum(np.maximum(shell, plaques), beyond_root * np.float32(0.5))
    scene.canvas.paint(Solid(box=aorta.box, distance_mm=distance), 850.0)


def draw_hiatal_hernia(scene: ChestScene, rng: np.random.Generator) -> None:
    """Stomach above the diaphragm, behind the heart, with gas over fluid."""
    size = rng.uniform(20, 34)
    centre = np.array(
        [
            rng.uniform(2, 16),
            scene.body.spine_y_mm - scene.body.vertebra_mm - 0.75 * size,
            rng.uniform(-58, -40),
        ]
    )
    sac = ellipsoid(scene.canvas.grid, centre, UPRIGHT, (1.15 * size, 0.8 * size, size))
    scene.canvas.paint(sac, 45.0)
    scene.canvas.paint(sac, 15.0, grow_mm=-4)
    level = scene.canvas.grid.y[sac.box] - np.float32(centre[1] - 0.1 * size)
    scene.canvas.paint(Solid(box=sac.box, distance_mm=np.maximum(sac.distance_mm + 4, level)), -900.0)


def draw_medical_material(scene: ChestScene, rng: np.random.Generator) -> None:
    """A pacemaker with its lead to the right ventricle, or a port with its catheter to the right atrium."""
    heart, body = scene.heart, scene.body
    pacemaker = bool(rng.random() < 0.6)
    side = 1 if pacemaker else -1
    y = -_front_depth(body.cavity_half_mm, 62.0, body.apex_z_mm) - body.muscle_mm * 0.5
    pocket = np.array([side * 62.0, y, 82.0])
    atrium = heart.world(43 * heart.scale, -14 * heart.scale, -22 * heart.scale)
    cava = atrium + np.array([3, 2, 70])
    apex = heart.world(40 * heart.scale, -8, 52 * heart.scale)
    semi = (20, 5, 18) if pacemaker else (11, 5, 11)
    scene.canvas.paint(ellipsoid(scene.canvas.grid, pocket, UPRIGHT, semi), 2600.0 if pacemaker else 1600.0)
    path = [pocket, np.array([side * 40.0, -20, 118]), cava, atrium] + ([apex] if pacemaker else [])
    radius = 1.6 if pacemaker else 1.3
    scene.canvas.paint(tube(scene.canvas.grid, np.stack(path), [radius] * len(path)), 2000.0)


def _front_depth(half_mm: tuple[float, float], x_mm: float, apex_z_mm: float) -> float:
    """Depth of the front wall at ``x_mm`` beside the midline, at the height of a pocket."""
    taper = np.sqrt(1 - (102 / (apex_z_mm + 20)) ** 2.4)
    share = np.clip(x_mm / (half_mm[0] * taper), 0, 0.98)
    return float(half_mm[1] * taper * (1 - share**2.4) ** (1 / 2.4))
