"""One patient's trunk as numbers: what varies between people, and between people and pigs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Species = Literal["human", "porcine"]


@dataclass(frozen=True, kw_only=True)
class Body:
    """A trunk; the origin is the midline at mid-depth of the chest, at the height of the heart (LPS mm).

    Args:
        cavity_half_mm: half width (x) and half depth (y) of the chest cavity at its widest.
        keel: how much narrower the chest is in front (0 = not; pigs have a keel).
        fat_mm, muscle_mm: layers of the wall.
        breast_mm: how far the breasts stand out; 0 for none.
        spine_y_mm, vertebra_mm: centre and radius of the vertebral bodies.
        dome_z_mm: tops of the right and left hemidiaphragm.
        apex_z_mm: top of the lungs.
        rib_pitch_mm, rib_slope: spacing of the ribs and how far they fall towards the front.
        lung_hu, liver_hu, muscle_hu: tissue densities.
    """

    cavity_half_mm: tuple[float, float]
    keel: float
    fat_mm: float
    muscle_mm: float
    breast_mm: float
    spine_y_mm: float
    vertebra_mm: float
    dome_z_mm: tuple[float, float]
    apex_z_mm: float
    rib_pitch_mm: float
    rib_slope: float
    lung_hu: float
    liver_hu: float
    muscle_hu: float


def draw_body(rng: np.random.Generator, species: Species) -> Body:
    """A trunk drawn for ``species``."""
    size = float(np.clip(rng.normal(1.0, 0.06), 0.86, 1.14))
    pig = species == "porcine"
    width, depth = (98.0, 104.0) if pig else (128.0, 86.0)
    half = (width * size * rng.normal(1, 0.04), depth * size * rng.normal(1, 0.04))
    right_dome = rng.normal(-52, 5)
    return Body(
        cavity_half_mm=half,
        keel=rng.uniform(0.4, 0.55) if pig else rng.uniform(0.0, 0.08),
        fat_mm=float(rng.gamma(4, 2.2) + 5) if pig else float(rng.gamma(3.0, 5.0) + 5),
        muscle_mm=rng.normal(24, 3) if pig else rng.normal(18, 2),
        breast_mm=0.0 if pig or rng.random() < 0.5 else float(rng.uniform(12, 45)),
        spine_y_mm=half[1] - 22 + rng.normal(0, 2),
        vertebra_mm=rng.normal(15, 1) if pig else rng.normal(17, 1.2),
        dome_z_mm=(right_dome, right_dome - rng.normal(8, 3)),
        apex_z_mm=rng.normal(165, 8) * size,
        rib_pitch_mm=rng.normal(22, 1) if pig else rng.normal(27, 1.2),
        rib_slope=0.25 if pig else rng.normal(0.5, 0.05),
        lung_hu=rng.normal(-800, 25) if pig else rng.normal(-855, 25),
        liver_hu=rng.normal(95, 12),
        muscle_hu=rng.normal(52, 5),
    )
