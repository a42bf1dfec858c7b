"""What a segmentation model scores on each frame, seen as the predictions come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.cohort.frame_id import case_of
from components.errors import InputError, ParameterError
from components.metrics.cardiac_cycle import volumes_ml
from components.metrics.overlap import check_same_grid, dice_per_structure, structure_masks
from components.metrics.surface_distance import hd95_mm, normalised_surface_dice
from components.metrics.volume_error import relative_volume_error, volume_error_ml
from components.models.prediction import FramePrediction
from components.volume.volume import LabelMap

DICE, SURFACE_DICE, HD95 = "dice_", "surface_dice_", "hd95_mm_"
PREDICTED, EXPERT = "predicted_ml_", "expert_ml_"
VOLUME_BIAS, VOLUME_ERROR = "volume_bias_ml_", "volume_error_ml_"
RELATIVE_BIAS, RELATIVE_ERROR = "volume_bias_relative_", "volume_error_relative_"

EVERY_OTHER = "*"
# As TotalSegmentator is judged (Wasserthal et al. 2023); the field has no agreed value for the heart.
SURFACE_TOLERANCE_MM: Mapping[str, float] = {EVERY_OTHER: 3.0}


@dataclass(kw_only=True)
class FrameJudge:
    """Takes predictions in the order of cases and phases; holds two label maps at a time.

    Args:
        expert: frame_id → label map on the frame's grid, or ``None``.
        tolerance_mm: of the surface Dice by structure; ``*`` stands for every other.
        structures: that the model knows; what else an expert drew does not judge it.

    ``rows`` has one mapping per frame, ``pairs`` the Dice between neighbouring frames of a case; ``refused``
    names expert labels that cannot judge and why, ``failed`` the frames on which the model failed and why.
    """

    expert: Callable[[str], LabelMap | None]
    tolerance_mm: Mapping[str, float]
    structures: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    _first: tuple[str, LabelMap | None] | None = None
    _last: tuple[str, LabelMap | None] | None = None
    _count: int = 0

    def see(self, frame_id: str, prediction: FramePrediction) -> None:
        """The model's answer for the next frame."""
        labels = prediction.labels
        if labels is None:
            self.fail(frame_id, InputError(expected="a label map", got="none", hint="a segmentation model"))
            return
        self._follow(frame_id, labels)
        row = _prefixed(PREDICTED, volumes_ml(labels))
        expert = self._truth(frame_id, labels)
        if expert is not None:
            row |= _against_expert(labels, expert, self.tolerance_mm) | _volume_errors(labels, expert)
        self.rows.append({"frame_id": frame_id, "judged": expert is not None, **row})

    def fail(self, frame_id: str, error: Exception) -> None:
        """A frame on which the model fails counts as missed, not as absent; its volume is unknown, not 0."""
        self.failed[frame_id] = str(error)
        self._follow(frame_id, None)
        expert = self._truth(frame_id, None)
        if expert is not None:
            nothing = LabelMap(
                labels=np.zeros_like(expert.labels), geometry=expert.geometry, names=expert.names
            )
            row = _against_expert(nothing, expert, self.tolerance_mm)
            self.rows.append({"frame_id": frame_id, "judged": True, **row})

    def close_case(self) -> None:
        """Compare the last frame of the case with its first."""
        if self._count > 2 and self._first is not None and self._last is not None:
            self._compare(self._last, self._first)
        self._first = self._last = None
        self._count = 0

    def _follow(self, frame_id: str, labels: LabelMap | None) -> None:
        if self._last is not None and case_of(self._last[0]) != case_of(frame_id):
            self.close_case()
        here = (frame_id, labels)
        if self._last is None:
            self._first = here
        else:
            self._compare(self._last, here)
        self._last = here
        self._count += 1

    def _compare(self, first: tuple[str, LabelMap | None], second: tuple[str, LabelMap | None]) -> None:
        if first[1] is None or second[1] is None or not first[1].geometry.matches(second[1].geometry):
            return
        dice = dice_per_structure(first[1], second[1])
        self.pairs.append({"first": first[0], "second": second[0], "dice": dice})

    def _truth(self, frame_id: str, predicted: LabelMap | None) -> LabelMap | None:
        """The expert's label map if it can judge; why not is kept, and the batch goes on."""
        try:
            expert = self.expert(frame_id)
            return None if expert is None else self._usable(expert, predicted)
        except (InputError, OSError) as error:
            self.refused[frame_id] = str(error)
            return None

    def _usable(self, expert: LabelMap, predicted: LabelMap | None) -> LabelMap:
        if predicted is not None:
            check_same_grid(predicted, expert)
        self.unknown |= set(expert.names.values()) - set(self.structures)
        names = {value: name for value, name in expert.names.items() if name in self.structures}
        if not names or not np.isin(expert.labels, list(names)).any():
            raise InputError(
                expected=f"an expert label with a voxel of {', '.join(self.structures)}",
                got="none",
                hint="finishing the label, or the column label_values of cases.csv",
            )
        return LabelMap(labels=expert.labels, geometry=expert.geometry, names=names)


def tolerance_of(structure: str, tolerance_mm: Mapping[str, float]) -> float:
    """The structure's own tolerance, else that of ``*``; ``ParameterError`` when there is neither."""
    found = tolerance_mm.get(structure, tolerance_mm.get(EVERY_OTHER))
    if found is None:
        raise ParameterError(
            expected=f"surface_tolerance_mm for {structure!r}",
            got=", ".join(tolerance_mm) or "nothing",
            hint="'*', which stands for every other structure",
        )
    return found


def _against_expert(
    predicted: LabelMap, expert: LabelMap, tolerance_mm: Mapping[str, float]
) -> dict[str, float]:
    spacing_mm = expert.geometry.spacing_mm
    surface, distance = {}, {}
    for name, ours, theirs in structure_masks(predicted, expert):
        tolerance = tolerance_of(name, tolerance_mm)
        surface[name] = normalised_surface_dice(ours, theirs, spacing_mm, tolerance_mm=tolerance)
        distance[name] = hd95_mm(ours, theirs, spacing_mm)
    return {
        **_prefixed(DICE, dice_per_structure(predicted, expert)),
        **_prefixed(SURFACE_DICE, surface),
        **_prefixed(HD95, distance),
        **_prefixed(EXPERT, volumes_ml(expert)),
    }


def _volume_errors(predicted: LabelMap, expert: LabelMap) -> dict[str, float]:
    ours, theirs = volumes_ml(predicted), volumes_ml(expert)
    error, relative = volume_error_ml(ours, theirs), relative_volume_error(ours, theirs)
    return {
        **_prefixed(VOLUME_BIAS, error),
        **_prefixed(VOLUME_ERROR, {name: abs(value) for name, value in error.items()}),
        **_prefixed(RELATIVE_BIAS, relative),
        **_prefixed(RELATIVE_ERROR, {name: abs(value) for name, value in relative.items()}),
    }


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}{name}": value for name, value in values.items()}
