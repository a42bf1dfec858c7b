"""One heart as numbers: size, orientation, chamber ratios, function and enhancement, drawn per patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.phantom.body import Species
from components.phantom.canvas import Point
from components.phantom.heart_motion import BASE_RATIO, truncated_volume_ml, wall_volume_ml
from components.phantom.scanner import Scanner


@dataclass(frozen=True, kw_only=True, eq=False)
class HeartAnatomy:
    """A heart at end-diastole and how it beats; lengths in mm, ``axes`` rows are u, v, w in LPS.

    w runs from the mitral plane to the apex, u from the left to the right ventricle, v upwards.
    """

    base_mm: Point
    axes: Point
    scale: float
    cavity_ml: float
    wall_ml: float
    length_mm: float
    ejection_fraction: float
    shortening_mm: float
    right_ventricle: float
    left_atrium: float
    right_atrium: float
    aorta_mm: float
    pulmonary_mm: float
    epicardial_fat_mm: float
    species: Species

    def world(self, u: float, v: float, w: float) -> Point:
        """The point at heart coordinates (u, v, w), in LPS mm."""
        out: Point = self.base_mm + np.array([u, v, w]) @ self.axes
        return out


@dataclass(frozen=True, kw_only=True)
class Enhancement:
    """HU of blood and muscle."""

    left_hu: float
    right_hu: float
    right_atrium_hu: float
    pulmonary_hu: float
    myocardium_hu: float


_AXES: dict[Species, tuple[Point, Point]] = {
    "human": (np.array([0.62, -0.56, -0.54]), np.array([-0.72, -0.68, 0.08])),
    "porcine": (np.array([0.20, -0.52, -0.83]), np.array([-0.72, -0.64, 0.22])),
}


def draw_heart(rng: np.random.Generator, species: Species) -> HeartAnatomy:
    """A heart drawn for ``species``."""
    pig = species == "porcine"
    scale = float(np.clip(rng.normal(0.92 if pig else 1.0, 0.06), 0.8, 1.16))
    axes = _orientation(rng, species)
    length = scale * rng.normal(78 if pig else 86, 3)
    radius = scale * rng.normal(23.5 if pig else 25.5, 1.6)
    wall = float(np.clip(rng.normal(12.5 if pig else 9.3, 1.2), 6.5, 16))
    half_length = length / (1 + BASE_RATIO)
    centre = np.array([6.0 if pig else 14.0, -22.0, 0.0]) + rng.normal(0, [4, 3, 4])
    ratio = rng.normal(1, 0.07, 3)
    return HeartAnatomy(
        base_mm=centre - scale * (22 * axes[2] + 14 * axes[0]),
        axes=axes,
        scale=scale,
        cavity_ml=truncated_volume_ml(radius, half_length, BASE_RATIO),
        wall_ml=wall_volume_ml(radius, half_length, wall),
        length_mm=length,
        ejection_fraction=float(np.clip(rng.normal(0.59, 0.06), 0.45, 0.70)),
        shortening_mm=scale * rng.normal(13, 1.5),
        right_ventricle=ratio[0],
        left_atrium=ratio[1] * (0.88 if pig else 1.0),
        right_atrium=ratio[2] * (0.92 if pig else 1.0),
        aorta_mm=scale * rng.normal(12.5 if pig else 14.0, 1.1),
        pulmonary_mm=scale * rng.normal(13.0 if pig else 12.5, 0.9),
        epicardial_fat_mm=rng.uniform(1.5, 3) if pig else rng.uniform(2.5, 6),
        species=species,
    )


def _orientation(rng: np.random.Generator, species: Species) -> Point:
    """Rows u, v, w: the species' axes turned by some degrees per patient, made orthonormal."""
    w, u = (vector + rng.normal(0, 0.09, 3) for vector in _AXES[species])
    w = w / np.linalg.norm(w)
    u = u - (u @ w) * w
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(u, w), w])


def draw_enhancement(rng: np.random.Generator, species: Species, scanner: Scanner) -> Enhancement:
    """Contrast in the chambers: a left-heart bolus that a late scan misses and a low kVp brightens."""
    left, right = (290.0, 380.0) if species == "porcine" else (360.0, 230.0)
    delay = max(scanner.contrast_delay_s, 0.0)
    washout = float(np.exp(-delay / 14.0))
    gain = scanner.iodine_gain
    left_iodine = (left * rng.normal(1, 0.1) * washout + 70 * (1 - washout)) * gain
    right_iodine = (right * rng.normal(1, 0.16) * washout + 75 * (1 - washout)) * gain
    return Enhancement(
        left_hu=45 + left_iodine,
        right_hu=45 + right_iodine,
        right_atrium_hu=45 + right_iodine * rng.uniform(0.75, 1.05),
        pulmonary_hu=45 + 0.5 * (right_iodine + right_iodine * rng.uniform(0.9, 1.1)),
        myocardium_hu=rng.normal(105, 8) + 12 * (1 - washout),
    )
