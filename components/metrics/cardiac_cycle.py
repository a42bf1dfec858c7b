"""How structures change over the cardiac cycle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from components.metrics.overlap import dice_per_structure
from components.volume.volume import LabelMap

Series = npt.NDArray[np.float64]


def volumes_ml(label_map: LabelMap) -> dict[str, float]:
    """Volume of each named structure in millilitres; 0 where it is absent."""
    sizes = np.bincount(label_map.labels.ravel(), minlength=256)
    voxel_ml = label_map.geometry.voxel_volume_ml
    return {name: float(sizes[value] * voxel_ml) for value, name in sorted(label_map.names.items())}


def volume_curves_ml(frames: Sequence[LabelMap]) -> dict[str, Series]:
    """Structure → ``(n,)`` volumes in ml, in the order of ``frames``."""
    return stacked([volumes_ml(frame) for frame in frames])


def consecutive_dice(frames: Sequence[LabelMap]) -> dict[str, Series]:
    """Structure → ``(n,)`` Dice of each frame to the next, and of the last to the first.

    Two frames give one value, one frame none. NaN where a structure is absent from both frames. High values
    alone prove nothing: a frozen mask scores 1.
    """
    pairs = list(zip(frames, [*frames[1:], frames[0]], strict=True)) if len(frames) > 1 else []
    return stacked([dice_per_structure(a, b) for a, b in (pairs[:1] if len(frames) == 2 else pairs)])


def ejection_fraction(curve_ml: Series) -> float:
    """(end-diastolic - end-systolic) / end-diastolic volume, as a fraction; NaN for an empty cavity.

    End-diastole and end-systole are taken as the largest and smallest volume of the curve.
    """
    if curve_ml.size == 0 or curve_ml.max() <= 0:
        return float("nan")
    return float((curve_ml.max() - curve_ml.min()) / curve_ml.max())


def stacked(rows: Sequence[dict[str, float]]) -> dict[str, Series]:
    """One series per name from one mapping per frame; NaN where a frame lacks the name."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in names}
