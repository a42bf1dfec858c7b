"""How far apart two surfaces lie, in millimetres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.metrics.overlap import Mask

Distances = npt.NDArray[np.float64]


def hd95_mm(first: Mask, second: Mask, spacing_mm: tuple[float, float, float]) -> float:
    """95th percentile Hausdorff distance: the larger of the two directed percentiles.

    Surface voxels are those with a face neighbour outside the mask (or the edge of the grid); distances run
    between voxel centres. Both masks empty: NaN. One empty: the diagonal of the grid, the worst possible.

    Args:
        first, second: masks ``(z, y, x)``.
        spacing_mm: voxel size along ``(z, y, x)``.
    """
    if not first.any() and not second.any():
        return float("nan")
    if not first.any() or not second.any():
        return float(np.linalg.norm((np.array(first.shape) - 1) * np.array(spacing_mm)))
    box = _bounding_box(first | second)
    surface_a, surface_b = _surface(first[box]), _surface(second[box])
    there = _distances(surface_a, surface_b, spacing_mm)
    back = _distances(surface_b, surface_a, spacing_mm)
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    """No margin: outside the box both masks are empty, as they are beyond the edge of the grid."""
    return ndimage.find_objects(mask.astype(np.uint8))[0]


def _surface(mask: Mask) -> Mask:
    return np.asarray(mask & ~ndimage.binary_erosion(mask, border_value=0))


def _distances(source: Mask, target: Mask, spacing_mm: tuple[float, float, float]) -> Distances:
    """From each surface voxel of ``source`` to the nearest one of ``target``."""
    to_target = ndimage.distance_transform_edt(~target, sampling=spacing_mm)
    return np.asarray(to_target)[source]
