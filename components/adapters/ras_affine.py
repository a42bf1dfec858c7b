"""Our grids in the convention of NIfTI and MONAI: arrays ``(x, y, z)``, world coordinates RAS mm."""

from __future__ import annotations

import numpy as np

from components.volume.geometry import Affine, Geometry

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_XYZ = [2, 1, 0, 3]


def ras_affine(geometry: Geometry) -> Affine:
    """``(4, 4)`` affine from the index ``(ix, iy, iz, 1)`` to RAS mm; the array is our array transposed."""
    affine: Affine = _LPS_TO_RAS @ geometry.affine[:, _XYZ]
    return affine


def geometry_from_ras(shape_xyz: tuple[int, int, int], affine: Affine) -> Geometry:
    """The inverse of ``ras_affine``."""
    x, y, z = shape_xyz
    with np.errstate(invalid="ignore"):  # a damaged affine holds anything; Geometry says what is wrong
        return Geometry(shape=(z, y, x), affine=(_LPS_TO_RAS @ affine)[:, _XYZ])
