"""A semi-synthetic cine: a real heart CT and its labels, moved by a known beat. Real texture, known truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.errors import GeometryError, InputError, ParameterError
from components.phantom.heart_motion import emptying
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

Points = npt.NDArray[np.float64]
REACH = 0.7  # small enough that the border of a heart-sized field of view stands nearly still


@dataclass(frozen=True, kw_only=True)
class RadialBeat:
    """Contraction towards a point: r -> r (1 - amplitude exp(-r^2 / 2 s^2)) at end-systole, less in between.

    The map is smooth and one-to-one for an amplitude in [0, 1): its radial derivative is
    1 - amplitude (1 - r^2/s^2) exp(-r^2 / 2 s^2), at least 1 - amplitude.

    Args:
        centre_mm: LPS mm.
        reach_mm: s, where the motion has fallen to 61 % of that at the centre.
        amplitude: share of the distance to the centre that is lost at the centre at end-systole.
    """

    centre_mm: tuple[float, float, float]
    reach_mm: float
    amplitude: float

    def __post_init__(self) -> None:
        if not (0 <= self.amplitude <= 0.6 and self.reach_mm > 0):
            raise ParameterError(
                expected="an amplitude in [0, 0.6] and a positive reach",
                got=f"{self.amplitude} and {self.reach_mm} mm",
                hint="amplitude=0.2",
            )

    def forward(self, points_mm: Points, phase_percent: float) -> Points:
        """Where tissue at ``points_mm`` ``(..., 3)`` at phase 0 is at ``phase_percent``."""
        arm = points_mm - np.array(self.centre_mm)
        r = np.linalg.norm(arm, axis=-1, keepdims=True)
        out: Points = np.array(self.centre_mm) + arm * self._shrink(r, phase_percent)
        return out

    def backward(self, points_mm: Points, phase_percent: float) -> Points:
        """Where tissue at ``points_mm`` at ``phase_percent`` was at phase 0, by table and Newton."""
        arm = points_mm - np.array(self.centre_mm)
        moved = np.linalg.norm(arm, axis=-1, keepdims=True)
        radii = np.linspace(0, float(moved.max(initial=0)) + self.reach_mm, 2048)
        r = np.interp(moved, radii * self._shrink(radii, phase_percent), radii)
        a = self.amplitude * emptying(phase_percent)
        for _ in range(2):
            g = np.exp(-(r**2) / (2 * self.reach_mm**2))
            r = r - (r * (1 - a * g) - moved) / (1 - a * g * (1 - (r / self.reach_mm) ** 2))
        out: Points = np.array(self.centre_mm) + arm / self._shrink(r, phase_percent)
        return out

    def _shrink(self, r: Points, phase_percent: float) -> Points:
        out: Points = 1 - self.amplitude * emptying(phase_percent) * np.exp(-(r**2) / (2 * self.reach_mm**2))
        return out


def beating_cine(
    volume: Volume,
    labels: LabelMap,
    *,
    phases_percent: tuple[float, ...],
    centre_mm: tuple[float, float, float] | None = None,
    amplitude: float = 0.3,
) -> tuple[tuple[float, Volume, LabelMap], ...]:
    """(phase, volume, labels) of each phase: ``volume`` moved by ``RadialBeat``; phase 0 is the scan itself.

    The centre is that of all labels unless given, the reach ``REACH`` times the radius of a ball of
    their volume. HU are interpolated linearly, labels by the nearest voxel. Raises
    ``GeometryError`` if the grids differ and ``InputError`` if nothing is labelled.
    """
    if not volume.geometry.matches(labels.geometry):
        raise GeometryError(
            expected="labels on the volume's grid", got="another grid", hint="resampling the labels"
        )
    beat = beat_of(labels, centre_mm=centre_mm, amplitude=amplitude)
    return tuple((phase, *_moved(volume, labels, beat, phase)) for phase in phases_percent)


def beat_of(
    labels: LabelMap, *, centre_mm: tuple[float, float, float] | None, amplitude: float
) -> RadialBeat:
    """The beat whose centre and reach fit what is labelled."""
    inside = np.argwhere(labels.labels > 0)
    if len(inside) == 0:
        raise InputError(expected="at least one labelled voxel", got="none", hint="labels of the heart")
    x, y, z = _world(labels.geometry, inside.mean(axis=0)) if centre_mm is None else np.array(centre_mm)
    millilitres = len(inside) * labels.geometry.voxel_volume_ml
    reach = REACH * (3 * millilitres * 1000 / (4 * np.pi)) ** (1 / 3)
    return RadialBeat(centre_mm=(float(x), float(y), float(z)), reach_mm=float(reach), amplitude=amplitude)


def _moved(volume: Volume, labels: LabelMap, beat: RadialBeat, phase: float) -> tuple[Volume, LabelMap]:
    if emptying(phase) == 0 or beat.amplitude == 0:
        return volume, labels
    geometry = volume.geometry
    index = np.moveaxis(np.indices(geometry.shape, dtype=np.float64), 0, -1)
    source_mm = beat.backward(_world(geometry, index), phase)
    inverse = np.linalg.inv(geometry.affine)
    source = np.moveaxis(source_mm @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)
    hu = ndimage.map_coordinates(
        volume.voxels_hu.astype(np.float32), source, order=1, mode="nearest", prefilter=False
    )
    moved = ndimage.map_coordinates(labels.labels, source, order=0, mode="nearest", prefilter=False)
    return (
        Volume(voxels_hu=np.rint(hu).astype(np.int16), geometry=geometry),
        LabelMap(labels=moved.astype(np.uint8), geometry=geometry, names=labels.names),
    )


def _world(geometry: Geometry, index_zyx: Points) -> Points:
    """LPS mm of voxel indices ``(..., 3)``."""
    out: Points = index_zyx @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    return out
