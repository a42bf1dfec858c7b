"""Only what teacher and student agree on is learned; where the teacher is silent, a sure student may speak."""

from __future__ import annotations

import numpy as np
import pytest

from components.models.agreement import agreed_labels


@pytest.mark.parametrize(
    ("teacher", "student", "members", "confidence", "learned"),
    [
        (1, 1, (1, 1), 0.5, 1),  # they agree
        (1, 1, (1, 2), 0.5, 1),  # a member that wavers does not matter where the teacher agrees
        (1, 2, (2, 2), 1.0, 255),  # the teacher is the anchor: a sure student does not overrule it
        (0, 2, (2, 2), 1.0, 255),
        (2, 0, (0, 0), 1.0, 255),
        (255, 2, (2, 2), 0.95, 2),  # nobody else has an opinion
        (255, 0, (0, 0), 0.95, 0),
        (255, 2, (2, 2), 0.85, 255),
        (255, 2, (2, 1), 0.95, 255),
    ],
)
def test_one_voxel(
    teacher: int, student: int, members: tuple[int, int], confidence: float, learned: int
) -> None:
    result = agreed_labels(
        np.full((1, 1, 1), teacher, np.uint8),
        np.full((1, 1, 1), student, np.uint8),
        np.array(members, np.uint8).reshape(2, 1, 1, 1),
        np.full((1, 1, 1), confidence, np.float32),
        confident=0.9,
    )
    assert result.tolist() == [[[learned]]]
    assert result.dtype == np.uint8
