"""How far apart two surfaces lie, in millimetres, and which share of them agrees within a tolerance.

Distances are sought from surface to surface with a tree of points, so that cost follows the surfaces and not the
volume around them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from components.errors import ParameterError
from components.metrics.overlap import Mask
from components.metrics.surface_cells import Spacing, surface_cells

Array = npt.NDArray[np.float64]


def hd95_mm(first: Mask, second: Mask, spacing_mm: Spacing) -> float:
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
    points_a, points_b = _surface_mm(first[box], spacing_mm), _surface_mm(second[box], spacing_mm)
    there, back = _distances(points_a, points_b), _distances(points_b, points_a)
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def normalised_surface_dice(first: Mask, second: Mask, spacing_mm: Spacing, *, tolerance_mm: float) -> float:
    """Share of both surfaces that lies within ``tolerance_mm`` of the other.

    Nikolov et al. 2021, J Med Internet Res 23(7):e26151. The surfaces are elements with an area (``surface_cells``):
    (area of A within the tolerance of B + area of B within the tolerance of A) / (area of A + area of B). 1 = every
    point agrees. A tolerance below half a voxel asks for identical voxels. Both masks empty: NaN. One empty: 0.

    Args:
        first, second: masks ``(z, y, x)``.
        spacing_mm: voxel size along ``(z, y, x)``.
        tolerance_mm: how far apart two readers' surfaces may lie and still agree; ``ParameterError`` below 0.
    """
    if not tolerance_mm >= 0:
        raise ParameterError(expected="a tolerance >= 0 mm", got=str(tolerance_mm), hint="2 to 4 mm")
    if not first.any() and not second.any():
        return float("nan")
    if not first.any() or not second.any():
        return 0.0
    box = _bounding_box(first | second)
    cells_a, areas_a = surface_cells(first[box], spacing_mm)
    cells_b, areas_b = surface_cells(second[box], spacing_mm)
    near_a, near_b = _within(cells_a, cells_b, tolerance_mm), _within(cells_b, cells_a, tolerance_mm)
    return float((areas_a[near_a].sum() + areas_b[near_b].sum()) / (areas_a.sum() + areas_b.sum()))


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    """No margin: outside the box both masks are empty, as they are beyond the edge of the grid."""
    return ndimage.find_objects(mask.astype(np.uint8))[0]


def _surface_mm(mask: Mask, spacing_mm: Spacing) -> Array:
    """``(n, 3)`` centres of the surface voxels."""
    surface = np.asarray(mask & ~ndimage.binary_erosion(mask, border_value=0))
    return np.asarray(np.argwhere(surface) * np.array(spacing_mm))


def _distances(source_mm: Array, target_mm: Array) -> Array:
    """From each point of ``source_mm`` to the nearest one of ``target_mm``."""
    return np.asarray(KDTree(target_mm).query(source_mm)[0])


def _within(source_mm: Array, target_mm: Array, tolerance_mm: float) -> npt.NDArray[np.bool_]:
    """Which points have a target within the tolerance, itself included up to rounding."""
    bound = tolerance_mm + 1e-6
    nearest = KDTree(target_mm).query(source_mm, distance_upper_bound=bound)[0]
    return np.asarray(np.isfinite(nearest))
