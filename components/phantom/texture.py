"""Smooth random fields: the unevenness that keeps drawn anatomy from looking drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def smooth_field(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    length_mm: float,
    rng: np.random.Generator,
) -> Array:
    """A Gaussian field of about zero mean and unit deviation, ``(z, y, x)`` float32.

    White noise on a lattice with ``length_mm`` steps, interpolated with cubic splines, so the cost does not
    grow with ``length_mm``. The random draw depends on the extent in mm, not on the voxels, up to rounding.
    """
    coarse = [max(4, round(n * step / length_mm) + 3) for n, step in zip(shape, spacing_mm, strict=True)]
    field: Array = rng.standard_normal(coarse, dtype=np.float32)
    for axis, (n, step) in enumerate(zip(shape, spacing_mm, strict=True)):
        weights = _spline_weights(n, step / length_mm, coarse[axis])
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(field / _DEVIATION, dtype=np.float32)


def _spline_weights(n: int, step: float, knots: int) -> Array:
    """Uniform cubic B-spline weights ``(n, knots)`` at positions ``1 + i * step`` (clipped inside)."""
    position = np.clip(1 + np.arange(n) * step, 1, knots - 2.001)
    distance = np.abs(position[:, None] - np.arange(knots)[None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    weights: Array = np.where(distance < 1, near, far).astype(np.float32)
    return weights


# Mean deviation of one B-spline-smoothed unit normal per axis, cubed: E[sum w^2] = 151/315 per axis.
_DEVIATION = float((151 / 315) ** 1.5)
