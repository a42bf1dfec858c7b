"""Findings of the lungs and the pleura, each as the Fleischner glossary describes it (Hansell 2008)."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from components.phantom.canvas import UPRIGHT, Point, Solid, ellipsoid, tube
from components.phantom.chest_scene import ChestScene


def draw_lung_nodule(scene: ChestScene, rng: np.random.Generator) -> None:
    """One to four rounded opacities of 9 to 22 mm, well defined, some faintly spiculated."""
    for _ in range(rng.integers(1, 5)):
        side = int(rng.choice([-1, 1]))
        centre = scene.lung_point(rng, side=side, low_z=-25, high_z=95, depth_mm=(10, 40))
        radius = rng.uniform(4.5, 11)
        semi = radius * rng.uniform(0.85, 1.15, 3)
        body = ellipsoid(scene.canvas.grid, centre, UPRIGHT, semi)
        scene.canvas.paint(scene.clipped_to_lung(body), rng.uniform(20, 60))
        for direction in rng.normal(size=(rng.integers(0, 5), 3)):
            tip = centre + direction / np.linalg.norm(direction) * radius * 2
            spike = tube(scene.canvas.grid, np.stack([centre, tip]), [1.5, 0.5])
            scene.canvas.paint(scene.clipped_to_lung(spike), 0.0, opacity=0.6)


def draw_emphysema(scene: ChestScene, rng: np.random.Generator) -> None:
    """Centrilobular holes without walls, mostly in the upper lobes, in darker lungs."""
    grid = scene.canvas.grid
    severity = rng.uniform(0.4, 1.0)
    upper = np.clip((grid.z + 40) / 130, 0.0, 1.0)
    everywhere = Solid(box=scene.whole, distance_mm=scene.fields.lung_mm)
    scene.canvas.paint(everywhere, -985.0, opacity=0.2 + 0.3 * severity)
    for length, bias in ((12.0, 0.0), (22.0, -0.3)):
        holes = scene.noise(length, rng) + np.float32(1.2) * upper + np.float32(bias)
        distance = 4 * np.asarray(np.float32(1.6 - 0.7 * severity) - holes, dtype=np.float32)
        scene.canvas.paint(scene.in_lung(distance), -995.0)


def draw_consolidation(scene: ChestScene, rng: np.random.Generator) -> None:
    """A lobar, pleura-based opacity of soft-tissue density that hides the vessels, with air bronchograms."""
    side = int(rng.choice([-1, 1]))
    size = rng.uniform(26, 48)
    centre = scene.lung_point(rng, side=side, low_z=-45, high_z=85, depth_mm=(8, 30))
    patch = ellipsoid(scene.canvas.grid, centre, UPRIGHT, size * rng.uniform(0.8, 1.2, 3))
    ragged = patch.distance_mm + 6 * scene.noise(14.0, rng)[patch.box]
    filled = scene.clipped_to_lung(Solid(box=patch.box, distance_mm=ragged))
    halo = Solid(box=filled.box, distance_mm=np.maximum(ragged - 7, scene.fields.lung_mm[patch.box]))
    scene.canvas.paint(halo, -450.0, opacity=0.7)
    scene.canvas.paint(filled, 25 + 12 * scene.noise(6.0, rng)[patch.box])
    hilum = np.array([side * 46.0, 22.0, 46.0])
    for _ in range(4):
        tip = centre + rng.normal(0, 0.45 * size, 3)
        bronchus = tube(scene.canvas.grid, np.stack([hilum + 0.35 * (centre - hilum), tip]), [3.2, 1.8])
        inside = np.maximum(bronchus.distance_mm, scene.fields.lung_mm[bronchus.box])
        scene.canvas.paint(_and(Solid(box=bronchus.box, distance_mm=inside), filled), -850.0)


def _and(a: Solid, b: Solid) -> Solid:
    """What lies in both, on the voxels of ``a``."""
    distance = np.full([s.stop - s.start for s in a.box], 1e3, dtype=np.float32)
    low = [max(s.start, t.start) for s, t in zip(a.box, b.box, strict=True)]
    high = [max(min(s.stop, t.stop), lo) for s, t, lo in zip(a.box, b.box, low, strict=True)]
    mine = tuple(slice(lo - s.start, hi - s.start) for lo, hi, s in zip(low, high, a.box, strict=True))
    theirs = tuple(slice(lo - s.start, hi - s.start) for lo, hi, s in zip(low, high, b.box, strict=True))
    distance[mine] = np.maximum(a.distance_mm[mine], b.distance_mm[theirs])
    return Solid(box=a.box, distance_mm=distance)


def draw_atelectasis(scene: ChestScene, rng: np.random.Generator) -> None:
    """A collapsed wedge beside the spine at the base of one lung, and plates across the lower zones."""
    grid, body = scene.canvas.grid, scene.body
    side = int(rng.choice([-1, 1]))
    size = rng.uniform(26, 48)
    corner = np.array([side * (body.vertebra_mm + 8), 0.80 * body.cavity_half_mm[1], -70.0])
    from_corner = side * (grid.x - np.float32(corner[0])) + np.float32(corner[1]) - grid.y
    height = np.float32(0.35) * np.clip(grid.z - np.float32(corner[2] + 30), 0, None)
    mine = np.where(side * grid.x > 0, 0, 1e3).astype(np.float32)
    wedge = (from_corner - np.float32(size) + height) * np.float32(0.7) + mine
    scene.canvas.paint(scene.in_lung(wedge), 45.0)
    for _ in range(rng.integers(2, 5)):
        centre = scene.lung_point(rng, side=int(rng.choice([-1, 1])), low_z=-55, high_z=-5, depth_mm=(5, 30))
        tilt = rng.normal(0, 0.25, 2)
        normal = np.array([tilt[0], tilt[1], 1.0])
        axes = _frame_of(normal / np.linalg.norm(normal))
        plate = ellipsoid(
            grid, centre, axes, (rng.uniform(22, 40), rng.uniform(14, 28), rng.uniform(2.5, 4.5))
        )
        scene.canvas.paint(scene.clipped_to_lung(plate), 20.0)


def _frame_of(normal: Point) -> Point:
    first = np.cross(normal, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(normal, first), normal])


def draw_lung_opacity(scene: ChestScene, rng: np.random.Generator) -> None:
    """Ground glass: hazy patches through which the vessels stay visible."""
    haze = (
        scene.noise(34.0, rng) + np.float32(0.35) * scene.noise(10.0, rng) + np.float32(rng.uniform(0.0, 0.5))
    )
    fade = np.float32(1.2 * scene.canvas.grid.edge_mm)
    scene.canvas.paint(scene.in_lung((np.float32(0.8) - haze) * fade), -470.0, opacity=rng.uniform(0.6, 0.85))


def draw_interlobular_septal_thickening(scene: ChestScene, rng: np.random.Generator) -> None:
    """A polygonal net of thin lines around lobules of 16 to 22 mm, at the bases and under the pleura."""
    grid, lung = scene.canvas.grid, scene.fields.lung_mm
    where = np.nonzero((lung < 0) & (lung > -45))
    points = np.stack([grid.x[where], grid.y[where], grid.z[where]], axis=1)
    size = rng.uniform(16, 22)
    low, high = points.min(axis=0), points.max(axis=0)
    seeds = rng.uniform(low, high, size=(int(np.prod((high - low) / size)), 3))
    near = np.asarray(cKDTree(seeds).query(points, k=2)[0], dtype=np.float32)
    distance = np.full_like(lung, 50.0)
    fading = np.clip((grid.z[where] - 10) / 60, 0, 1) + np.clip((-30 - lung[where]) / 15, 0, 1)
    distance[where] = 0.5 * (near[:, 1] - near[:, 0]) - np.float32(rng.uniform(0.9, 1.4)) + 3 * fading
    scene.canvas.paint(Solid(box=scene.whole, distance_mm=distance), -150.0, opacity=0.8)


def draw_pleural_effusion(scene: ChestScene, rng: np.random.Generator) -> None:
    """Water in the dependent pleural space, thinning upwards and rising along the wall (meniscus)."""
    grid, body = scene.canvas.grid, scene.body
    for side in _sides(rng):
        depth = rng.uniform(22, 62)
        top = rng.uniform(10, 70)
        rise = np.clip((np.float32(top) - grid.z) / np.float32(top + 60), 0, 1)
        level = np.float32(0.93 * body.cavity_half_mm[1]) - np.float32(depth) * rise
        lateral = np.clip(side * grid.x - 45, 0, None)
        meniscus = level - grid.y - np.float32(0.006) * lateral**2 * rise
        mine = np.where((side * grid.x > 0) & (rise > 0), 0, 1e3).astype(np.float32)
        scene.canvas.paint(scene.in_lung(meniscus + mine), rng.uniform(4, 18))


def _sides(rng: np.random.Generator) -> tuple[int, ...]:
    return ((-1,), (1,), (-1, 1))[rng.integers(3)]
