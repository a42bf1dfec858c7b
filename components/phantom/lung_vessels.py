"""Pulmonary vessels: a branching tree from each hilum, thinner towards the pleura."""

from __future__ import annotations

import numpy as np

from components.phantom.canvas import Canvas, Point, Solid, tube
from components.phantom.texture import Array

HILA_MM = np.array([[-48.0, 20.0, 48.0], [50.0, 22.0, 46.0]])


def paint_lung_vessels(canvas: Canvas, lung_mm: Array, hu: float, rng: np.random.Generator) -> None:
    """Draw both trees inside the lungs (``lung_mm`` is the distance to their surface)."""
    for hilum in HILA_MM:
        for start, end, radius in vessel_tree(hilum, rng):
            if radius < 0.25 * canvas.grid.edge_mm:
                continue  # a twig that no voxel of this grid would show
            branch = tube(canvas.grid, np.stack([start, end]), [radius, 0.8 * radius], reach_mm=3.0)
            if branch.distance_mm.size > 0:
                inside = np.maximum(branch.distance_mm, lung_mm[branch.box])
                canvas.paint(Solid(box=branch.box, distance_mm=inside), hu)


def vessel_tree(hilum_mm: Point, rng: np.random.Generator) -> list[tuple[Point, Point, float]]:
    """Segments (start, end, radius in mm), from a stem of 5 mm down to twigs of 0.9 mm."""
    outward = np.sign(hilum_mm[0])
    segments: list[tuple[Point, Point, float]] = []
    stems = np.array(
        [
            [0.5, -0.3, 0.9], [0.3, 0.5, 0.8], [0.8, 0.4, 0.3], [0.7, -0.7, -0.1],
            [0.45, 0.5, -0.9], [0.6, 0.0, -0.8], [0.9, 0.3, -0.5],
        ]
    )  # fmt: skip
    stems[:, 0] *= outward
    for stem in stems:
        _grow(segments, hilum_mm, stem / np.linalg.norm(stem), 5.0, 34.0, 5, rng)
    return segments


def _grow(
    segments: list[tuple[Point, Point, float]],
    start: Point, direction: Point, radius: float, length: float, depth: int, rng: np.random.Generator,
) -> None:  # fmt: skip
    end = start + direction * length * rng.uniform(0.75, 1.2)
    segments.append((start, end, radius))
    if depth == 1:
        return
    for _ in range(2):
        turned = direction + rng.normal(0, 0.42, 3)
        _grow(segments, end, turned / np.linalg.norm(turned), 0.7 * radius, 0.8 * length, depth - 1, rng)
