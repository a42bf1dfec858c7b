"""Random changes of a CT image's grey values: drawn first, then applied, so that each can be replayed.

In the order of the scanner's chain: resolution, tissue contrast, noise, reconstruction kernel. The kernel
comes last, so that it correlates the noise as a real one does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from components.models.labeled import Shape
from components.models.training_plan import Augmentation

Floats = npt.NDArray[np.float32]
_TABLE = 1024  # entries of a contrast curve
_KNOTS = 4
_COARSEST = 3.0  # voxels become one, along an axis of low resolution
_KERNEL_SIGMA = 0.8  # voxels


@dataclass(frozen=True, kw_only=True, eq=False)
class IntensityChange:
    """What ``apply_intensity`` does to an image in window units.

    Args:
        coarse: voxels (z, y, x) that the image is reduced to and enlarged from; ``None`` = its own.
        blur_sigma: of a Gaussian, voxels; 0 = none.
        curve: steps of a rising contrast curve between equally spaced grey values of 0 … 1; ``None`` = none.
        gain, offset: then.
        noise: ``(z, y, x)``, added; ``None`` = none.
        kernel: share of the detail finer than about a voxel that is added (> 0, sharper) or taken away.
    """

    coarse: Shape | None
    blur_sigma: float
    curve: npt.NDArray[np.float64] | None
    gain: float
    offset: float
    noise: Floats | None
    kernel: float


def draw_intensity(bounds: Augmentation, shape: Shape, generator: np.random.Generator) -> IntensityChange:
    """Every change up to its bound; one that is switched off draws nothing."""
    blur_sigma = generator.uniform(0.3, 1.0) if generator.random() < bounds.blur else 0.0
    gain = 1.0 + bounds.contrast * generator.uniform(-1, 1)
    offset = bounds.brightness * generator.uniform(-1, 1)
    sigma = bounds.noise * generator.random()
    noise = generator.standard_normal(shape, dtype=np.float32) if bounds.noise else None
    if noise is not None:
        noise *= np.float32(sigma)
    return IntensityChange(
        coarse=_draw_coarse(bounds, shape, generator),
        blur_sigma=blur_sigma,
        curve=np.exp(bounds.curve * generator.uniform(-1, 1, _KNOTS)) if bounds.curve else None,
        gain=gain,
        offset=offset,
        noise=noise,
        kernel=generator.uniform(-0.8, 0.8) if bounds.kernel and generator.random() < bounds.kernel else 0.0,
    )


def apply_intensity(image: Floats, change: IntensityChange) -> Floats:
    """``image`` ``(z, y, x)`` in window units, changed."""
    if change.coarse is not None:
        image = _through_coarse(image, change.coarse)
    if change.blur_sigma:
        image = _blurred(image, change.blur_sigma)
    if change.curve is not None:
        image = _on_curve(image, change.curve)
    result = image * np.float32(change.gain)
    result += np.float32(change.offset)
    if change.noise is not None:
        result += change.noise
    if change.kernel:
        detail = result - _blurred(result, _KERNEL_SIGMA)
        detail *= np.float32(change.kernel)
        result += detail
    return result


def _draw_coarse(bounds: Augmentation, shape: Shape, generator: np.random.Generator) -> Shape | None:
    """Thick slices, or a coarse grid in plane, or both."""
    if not bounds.low_resolution or generator.random() >= bounds.low_resolution:
        return None
    factor = generator.uniform(1.0, _COARSEST)
    axes = ((True, False, False), (False, True, True), (True, True, True))[generator.integers(3)]
    z, y, x = (max(2, round(n / factor)) if on else n for n, on in zip(shape, axes, strict=True))
    return z, y, x


def _through_coarse(image: Floats, coarse: Shape) -> Floats:
    """Means over the coarse voxels (partial volume), then linear interpolation back."""
    source = torch.from_numpy(image)[None, None]
    reduced = functional.interpolate(source, coarse, mode="area")
    back = functional.interpolate(reduced, image.shape, mode="trilinear", align_corners=False)
    result: Floats = back[0, 0].numpy()
    return result


def _on_curve(image: Floats, steps: npt.NDArray[np.float64]) -> Floats:
    """A piecewise linear, rising map of [0, 1] onto itself; values outside keep their distance."""
    heights = np.concatenate(([0.0], np.cumsum(steps) / steps.sum()))
    grid = np.linspace(0.0, 1.0, _TABLE)
    rise = (np.interp(grid, np.linspace(0.0, 1.0, len(heights)), heights) - grid).astype(np.float32)
    entry = (image * np.float32(_TABLE - 1)).astype(np.int16)
    result: Floats = image + rise.take(entry, mode="clip")
    return result


def _blurred(image: Floats, sigma: float) -> Floats:
    result: Floats = ndimage.gaussian_filter(image, sigma, truncate=2.0)
    return result
