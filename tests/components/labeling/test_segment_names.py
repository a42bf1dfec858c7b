from __future__ import annotations

import pytest

from components.cohort.structures import HEART_LABELS
from components.errors import InputError
from components.labeling.segment_names import known_values


def test_the_name_wins_over_the_number() -> None:
    segments = {1: "Aorta", 2: "left ventricle", 3: "Pulmonary-Artery"}
    assert known_values(segments, HEART_LABELS) == {1: 6, 2: 1, 3: 7}


@pytest.mark.parametrize("name", ["Segment_3", "Segment 3", "label 3", "3", ""])
def test_unnamed_segments_keep_their_numbers(name: str) -> None:
    assert known_values({3: name}, HEART_LABELS) == {}


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'left_ventricel'.*try renaming it to 'left_ventricle'"):
        known_values({1: "left_ventricel"}, HEART_LABELS)


def test_two_segments_of_one_structure_are_refused() -> None:
    with pytest.raises(InputError, match="one segment per structure"):
        known_values({1: "aorta", 2: "Aorta"}, HEART_LABELS)
