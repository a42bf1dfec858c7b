from __future__ import annotations

import numpy as np
import pytest

from components.cohort.structures import HEART_LABELS
from components.errors import GeometryError, InputError
from components.labeling.answer_check import AnswerCheck
from components.labeling.drawn_label_map import DrawnLabelMap
from components.volume.geometry import Geometry

NATIVE = Geometry.axis_aligned((6, 8, 8), (5.0, 5.0, 5.0))
CHECK = AnswerCheck(names=HEART_LABELS)


def drawn(labels: np.ndarray, segments: dict[int, str] | None = None) -> DrawnLabelMap:
    return DrawnLabelMap(labels=labels, geometry=NATIVE, segments=segments or {})


def a_heart(dtype: type = np.uint8) -> np.ndarray:
    labels = np.zeros(NATIVE.shape, dtype=dtype)
    labels[2:4, 2:5, 2:5] = 1
    labels[2:4, 5:6, 2:5] = 6
    return labels


def test_a_good_answer_lies_on_the_frames_own_grid() -> None:
    accepted = CHECK.label_map(drawn(a_heart()), NATIVE)
    assert accepted.geometry is NATIVE
    assert accepted.names == HEART_LABELS
    assert np.array_equal(accepted.labels, a_heart())


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.float64])
def test_whole_numbers_of_any_type_are_taken(dtype: type) -> None:
    accepted = CHECK.label_map(drawn(a_heart(dtype)), NATIVE)
    assert accepted.labels.dtype == np.uint8
    assert np.array_equal(accepted.labels, a_heart())


def test_segments_are_renumbered_by_name() -> None:
    accepted = CHECK.label_map(drawn(a_heart(), {1: "Aorta", 6: "Left Ventricle"}), NATIVE)
    assert np.array_equal(accepted.labels == 6, a_heart() == 1)
    assert np.array_equal(accepted.labels == 1, a_heart() == 6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: np.where(labels == 6, 9, labels), r"got 9 \(6 voxels\)"),
        (lambda labels: labels.astype(np.int16) - (labels == 6) * 10, r"got -4 \(6 voxels\)"),
        (lambda labels: np.where(labels == 6, 262, labels.astype(np.int32)), r"got 262 \(6 voxels\)"),
        (lambda labels: np.zeros_like(labels), "an empty label map"),
        (lambda labels: np.full_like(labels, 2), "100% of the frame"),
        (lambda labels: labels * 0.5, "with fractions"),
        (lambda labels: np.where(labels == 6, np.nan, labels), "with fractions"),
    ],
)
def test_what_is_wrong_is_said(change: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        CHECK.label_map(drawn(change(a_heart())), NATIVE)  # type: ignore[operator]


def test_a_speck_is_an_unfinished_answer() -> None:
    labels = np.zeros(NATIVE.shape, dtype=np.uint8)
    labels[3, 3, 3] = 1  # 0.125 ml
    with pytest.raises(InputError, match=r"0\.125 ml"):
        CHECK.label_map(drawn(labels), NATIVE)


def test_another_grid_is_refused() -> None:
    other = DrawnLabelMap(labels=a_heart(), geometry=Geometry.axis_aligned(NATIVE.shape, (5.0, 5.0, 4.0)))
    with pytest.raises(GeometryError, match="spacing 5×5×4 mm, not 5×5×5 mm"):
        CHECK.label_map(other, NATIVE)


def test_an_unnamed_segment_may_not_hide_behind_a_named_one() -> None:
    with pytest.raises(InputError, match="unnamed segment with value 6"):
        CHECK.label_map(drawn(a_heart(), {1: "aorta"}), NATIVE)
