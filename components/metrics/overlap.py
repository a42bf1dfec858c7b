"""How well two label maps agree, structure by structure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from components.errors import GeometryError
from components.volume.volume import LabelMap

Mask = npt.NDArray[np.bool_]


def dice(first: Mask, second: Mask) -> float:
    """2|A∩B| / (|A| + |B|) (Dice 1945) of two masks of one shape; NaN when both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2.0 * int((first & second).sum()) / total if total else float("nan")


def dice_per_structure(predicted: LabelMap, expert: LabelMap) -> dict[str, float]:
    """Dice of each structure that ``expert`` names; NaN where neither map holds it.

    Structures are matched by name, so the two maps may number them differently. Raises ``GeometryError``
    when the maps lie on different grids.
    """
    check_same_grid(predicted, expert)
    value_of = {name: value for value, name in predicted.names.items()}
    sizes_predicted, sizes_expert = _sizes(predicted), _sizes(expert)
    joint = predicted.labels.astype(np.intp) * 256 + expert.labels
    shared = np.bincount(joint.ravel(), minlength=65536)
    result = {}
    for value, name in sorted(expert.names.items()):
        own = value_of.get(name)
        size = int(sizes_expert[value]) + (int(sizes_predicted[own]) if own is not None else 0)
        common = int(shared[own * 256 + value]) if own is not None else 0
        result[name] = 2.0 * common / size if size else float("nan")
    return result


def structure_masks(predicted: LabelMap, expert: LabelMap) -> Iterator[tuple[str, Mask, Mask]]:
    """(structure, predicted mask, expert mask) for each structure that ``expert`` names."""
    check_same_grid(predicted, expert)
    value_of = {name: value for value, name in predicted.names.items()}
    for value, name in sorted(expert.names.items()):
        own = value_of.get(name)
        mask = predicted.labels == own if own is not None else np.zeros(predicted.labels.shape, dtype=bool)
        yield name, mask, expert.labels == value


def check_same_grid(first: LabelMap, second: LabelMap) -> None:
    """Raise ``GeometryError`` unless both maps put each voxel at the same place."""
    if not first.geometry.matches(second.geometry):
        raise GeometryError(
            expected=f"two label maps on one grid of {first.geometry.shape}",
            got=f"a second grid of {second.geometry.shape} elsewhere",
            hint="resampling one of them onto the other's grid",
        )


def _sizes(label_map: LabelMap) -> npt.NDArray[np.intp]:
    return np.bincount(label_map.labels.ravel(), minlength=256)
