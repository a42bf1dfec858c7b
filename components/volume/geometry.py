"""Where voxels lie in the patient.

Arrays are indexed ``(z, y, x)``; world coordinates are LPS millimetres (x to the patient's left,
y to posterior, z to superior; DICOM PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.errors import GeometryError

Affine = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """The grid of a volume.

    Args:
        shape: voxels along ``(z, y, x)``, each at least 1.
        affine: ``(4, 4)`` float64; maps a voxel index ``(iz, iy, ix, 1)`` to ``(x, y, z, 1)`` in
            LPS millimetres. Its first three columns are the steps along z, y and x.
    """

    shape: tuple[int, int, int]
    affine: Affine

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(
                expected="a shape (z, y, x) of three positive sizes",
                got=str(self.shape),
                hint="a 3D volume; split a 4D one into frames first",
            )
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError(
                expected="a finite 4×4 affine",
                got=f"shape {affine.shape}, finite={bool(np.isfinite(affine).all())}",
                hint="exporting the scan again with its geometry",
            )
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise GeometryError(
                expected="three independent voxel axes",
                got="a singular affine",
                hint="exporting the scan again with its geometry",
            )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along ``(z, y, x)`` in mm."""
        z, y, x = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

    @property
    def orientation(self) -> str:
        """Anatomical directions of rising index along x, y, z, e.g. ``LPS``."""
        letters = ("RL", "AP", "IS")
        steps = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        names = []
        for column in (2, 1, 0):
            axis = int(np.argmax(np.abs(steps[:, column])))
            names.append(letters[axis][int(steps[axis, column] > 0)])
        return "".join(names)

    def matches(self, other: Geometry, *, tolerance_mm: float = 1e-2) -> bool:
        """Whether both grids put each voxel at the same place, within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        corners = np.array(
            [
                [z, y, x, 1]
                for z in (0, self.shape[0])
                for y in (0, self.shape[1])
                for x in (0, self.shape[2])
            ],
            dtype=np.float64,
        )
        gap = corners @ (self.affine - other.affine).T
        return bool(np.abs(gap[:, :3]).max() <= tolerance_mm)

    @staticmethod
    def axis_aligned(
        shape: tuple[int, int, int],
        spacing_mm: tuple[float, float, float],
        origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Geometry:
        """An LPS grid: ``spacing_mm`` along (z, y, x), ``origin_mm`` = centre of voxel 0 in (x, y, z)."""
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2] = spacing_mm
        affine[:3, 3] = origin_mm
        affine[3, 3] = 1.0
        return Geometry(shape=shape, affine=affine)
