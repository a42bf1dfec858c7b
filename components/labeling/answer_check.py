"""What an expert's answer must be before a model may learn from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InputError
from components.labeling.drawn_label_map import DrawnLabelMap
from components.labeling.native_grid import onto_grid
from components.labeling.segment_names import known_values
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap


@dataclass(frozen=True, kw_only=True)
class AnswerCheck:
    """The rules for a label map.

    Args:
        names: value → structure, all that an answer may hold.
        min_labelled_ml: an answer with less is taken for an unfinished one.
        max_labelled_share: an answer that labels more of the frame is taken for a flooded one.
    """

    names: Mapping[int, str]
    min_labelled_ml: float = 0.5
    max_labelled_share: float = 0.6

    def label_map(self, drawn: DrawnLabelMap, native: Geometry) -> LabelMap:
        """The answer on the frame's grid, with our values.

        Raises ``GeometryError`` (another grid) or ``InputError`` (fractions, unknown values or names, empty,
        implausible size), each saying what was found.
        """
        labels = _as_integers(onto_grid(drawn, native))
        labels = _renumber(labels, known_values(drawn.segments, self.names))
        self._check_values(labels)
        self._check_size(labels, native)
        return LabelMap(labels=labels.astype(np.uint8), geometry=native, names=dict(self.names))

    def _check_values(self, labels: npt.NDArray[np.int64]) -> None:
        values, counts = np.unique(labels, return_counts=True)
        unknown = [
            f"{value} ({count} voxels)"
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
            if value != 0 and value not in self.names
        ]
        if unknown:
            known = ", ".join(f"{value} {name}" for value, name in sorted(self.names.items()))
            raise InputError(
                expected=f"the label values {known}",
                got=", ".join(unknown[:8]) + (" …" if len(unknown) > 8 else ""),
                hint="changing or erasing these voxels",
            )

    def _check_size(self, labels: npt.NDArray[np.int64], native: Geometry) -> None:
        voxels = int(np.count_nonzero(labels))
        ml, share = voxels * native.voxel_volume_ml, voxels / labels.size
        if voxels == 0:
            raise InputError(
                expected="at least one labelled structure",
                got="an empty label map",
                hint="saving the segmentation again after drawing",
            )
        if ml < self.min_labelled_ml or share > self.max_labelled_share:
            raise InputError(
                expected=f"at least {self.min_labelled_ml:g} ml and at most {self.max_labelled_share:.0%} "
                "of the frame labelled",
                got=f"{ml:.3g} ml, {share:.0%} of the frame",
                hint="looking at the answer in three planes, then saving it again",
            )


def _as_integers(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    whole = np.rint(labels) if labels.dtype.kind == "f" else np.zeros(0)
    if not np.array_equal(whole, labels):
        raise InputError(
            expected="whole numbers as labels",
            got=f"{labels.dtype} with fractions",
            hint="saving a label map, not an image or a probability map",
        )
    integers: npt.NDArray[np.int64] = whole.astype(np.int64)
    return integers


def _renumber(labels: npt.NDArray[np.int64], values: Mapping[int, int]) -> npt.NDArray[np.int64]:
    changed = {old: new for old, new in values.items() if old != new}
    if not changed:
        return labels
    result = labels.copy()
    for old, new in changed.items():
        result[labels == old] = new
    clash = set(changed.values()) & (set(np.unique(labels).tolist()) - set(values) - {0})
    if clash:
        raise InputError(
            expected="every segment named, or none",
            got=f"an unnamed segment with value {min(clash)}, which a named one needs",
            hint="naming all segments after their structures",
        )
    return result
