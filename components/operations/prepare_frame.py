"""A frame and its label map on the grid that models are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from components.errors import InputError
from components.volume.canonical import canonical_geometry
from components.volume.geometry import Geometry
from components.volume.resample import resample, resample_labels
from components.volume.volume import LabelMap, Volume


def prepared_geometry(
    native: Geometry,
    spacing_mm: tuple[float, float, float] | None,
    *,
    min_voxels: int,
    max_voxels: int,
) -> Geometry:
    """The LPS grid of a frame; ``InputError`` when it would be too small or too large to use.

    Args:
        native: the scanner's grid.
        spacing_mm: along (z, y, x); ``None`` keeps the frame's own.
        min_voxels: along every axis.
        max_voxels: in all, of the native and of the prepared grid.
    """
    grid = canonical_geometry(native, spacing_mm)
    if min(grid.shape) < min_voxels:
        raise InputError(
            expected=f"{min_voxels} voxels or more along every axis once prepared",
            got=" × ".join(str(n) for n in grid.shape),
            hint="a smaller spacing_mm, or a scan that covers more",
        )
    largest = max(prod(native.shape), prod(grid.shape))
    if largest > max_voxels:
        raise InputError(
            expected=f"at most {max_voxels} voxels",
            got=str(largest),
            hint="raising spacing_mm or max_voxels",
        )
    return grid


def prepare_volume(volume: Volume, to: Geometry) -> Volume:
    """``volume`` on the prepared grid, linear, air outside."""
    return resample(volume, to)


def prepare_labels(label_map: LabelMap, structures: Sequence[str], to: Geometry) -> LabelMap:
    """``label_map`` on the prepared grid, value i + 1 for ``structures[i]``, anything else background.

    ``InputError`` when the map names none of the structures.
    """
    values = {name: value for value, name in enumerate(structures, start=1)}
    shared = {old: values[name] for old, name in label_map.names.items() if name in values}
    if not shared:
        raise InputError(
            expected=f"a label map with some of {', '.join(structures)}",
            got=", ".join(label_map.names.values()) or "no names",
            hint="the column label_values of cases.csv, or `structures` of prepare in params.yaml",
        )
    table = np.zeros(256, dtype=np.uint8)
    table[list(shared)] = list(shared.values())
    named = LabelMap(
        labels=table[label_map.labels],
        geometry=label_map.geometry,
        names=dict(enumerate(structures, start=1)),
    )
    return resample_labels(named, to)
