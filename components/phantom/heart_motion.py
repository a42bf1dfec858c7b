"""How a heart beats: volume over the R-R interval, and walls that keep their mass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import PchipInterpolator

# Emptying of the left ventricle over the R-R interval: isovolumic contraction, ejection to end-systole at
# 37 %, rapid filling, diastasis, atrial kick (the shape of published volume-time curves).
_PHASE = (0, 4, 10, 20, 30, 37, 44, 55, 65, 80, 90, 100)
_EMPTYING = (0, 0.02, 0.22, 0.66, 0.94, 1.0, 0.90, 0.45, 0.22, 0.17, 0.08, 0)
END_SYSTOLE_PERCENT = 37.0


@cache
def _curve() -> PchipInterpolator:
    return PchipInterpolator(_PHASE, _EMPTYING)


def emptying(phase_percent: float) -> float:
    """0 at end-diastole (0 and 100 % of R-R), 1 at end-systole (37 %)."""
    return float(_curve()(phase_percent % 100.0))


@dataclass(frozen=True, kw_only=True)
class Ventricle:
    """A truncated half-ellipsoid in its own axis w (base to apex), in mm.

    The cavity has radius ``radius`` and half length ``half_length``, its centre at ``centre_w``; it is cut at
    ``base_w``; the wall adds ``wall`` to the radius and ``APEX_WALL * wall`` to the half length.
    """

    radius: float
    half_length: float
    centre_w: float
    base_w: float
    wall: float


APEX_WALL = 0.65
BASE_RATIO = 0.42  # the cut lies this share of the half length behind the centre


def truncated_volume_ml(radius: float, half_length: float, behind: float) -> float:
    """Volume of an ellipsoid cut ``behind`` half lengths behind its centre: pi r^2 c (2/3 + k - k^3/3)."""
    return float(np.pi * radius**2 * half_length * (2 / 3 + behind - behind**3 / 3) / 1000)


def left_ventricle(*, cavity_ml: float, wall_ml: float, apex_w: float, base_w: float) -> Ventricle:
    """The ventricle that holds ``cavity_ml`` between base and apex and has ``wall_ml`` of myocardium."""
    half_length = (apex_w - base_w) / (1 + BASE_RATIO)
    radius = float(np.sqrt(cavity_ml / truncated_volume_ml(1.0, half_length, BASE_RATIO)))
    low, high = 1.0, 60.0
    for _ in range(50):
        wall = (low + high) / 2
        too_much = wall_volume_ml(radius, half_length, wall) > wall_ml
        low, high = (low, wall) if too_much else (wall, high)
    return Ventricle(
        radius=radius,
        half_length=half_length,
        centre_w=apex_w - half_length,
        base_w=base_w,
        wall=(low + high) / 2,
    )


def wall_volume_ml(radius: float, half_length: float, wall: float) -> float:
    """Volume of the myocardium around a cavity that is cut at ``BASE_RATIO``."""
    outer = half_length + APEX_WALL * wall
    behind = BASE_RATIO * half_length / outer
    return truncated_volume_ml(radius + wall, outer, behind) - truncated_volume_ml(
        radius, half_length, BASE_RATIO
    )
