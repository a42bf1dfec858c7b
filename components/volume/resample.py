"""Volumes and label maps on another grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.volume.geometry import Geometry
from components.volume.interpolation import Correspondence, Order, correspond, interpolate, take
from components.volume.volume import LabelMap, Volume

AIR_HU = -1024


def resample(volume: Volume, to: Geometry, *, order: Order = 1, fill_hu: int = AIR_HU) -> Volume:
    """``volume`` on the grid ``to``; exact, without arithmetic, where the voxel centres coincide.

    Args:
        volume: any grid, oblique or sheared ones too.
        to: any grid.
        order: of the spline: 0 nearest, 1 linear, 3 cubic. Except at 0, voxels are smoothed first where
            the new ones are more than 1.5 times as large.
        fill_hu: outside the volume.
    """
    where = correspond(volume.geometry, to)
    voxels = take(volume.voxels_hu, where, fill_hu)
    if voxels is None:
        values = interpolate(volume.voxels_hu.astype(np.float32), where, order=order, fill=fill_hu)
        voxels = np.clip(np.rint(values, out=values), -32768, 32767).astype(np.int16)
    return Volume(voxels_hu=np.ascontiguousarray(voxels), geometry=to)


def resample_labels(label_map: LabelMap, to: Geometry) -> LabelMap:
    """``label_map`` on the grid ``to``; background outside it.

    Each label's indicator is interpolated linearly (smoothed first where the new voxels are larger) and
    the largest share wins; a tie goes to the smaller value. Exact where the voxel centres coincide.
    """
    where = correspond(label_map.geometry, to)
    labels = take(label_map.labels, where, 0)
    if labels is None:
        labels = _largest_share(label_map.labels, where)
    return LabelMap(labels=np.ascontiguousarray(labels), geometry=to, names=label_map.names)


def to_native(label_map: LabelMap, native: Geometry) -> LabelMap:
    """A label map of the prepared grid back on the grid that the scanner wrote."""
    return resample_labels(label_map, native)


def _largest_share(labels: npt.NDArray[np.uint8], where: Correspondence) -> npt.NDArray[np.uint8]:
    winner = np.zeros(where.target, dtype=np.uint8)
    share = interpolate((labels == 0).astype(np.float32), where, order=1, fill=1.0)
    for value in np.unique(labels[labels > 0]):
        rival = interpolate((labels == value).astype(np.float32), where, order=1, fill=0.0)
        ahead = rival > share
        winner[ahead] = value
        np.maximum(share, rival, out=share)
    return winner
