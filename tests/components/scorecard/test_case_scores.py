from __future__ import annotations

import pytest

from components.scorecard import case_scores
from components.scorecard.case_scores import case_content, scored_columns

FRAME = {"frame_id": "a", "case_id": "a", "site": "north", "sha256": "0" * 64, "phase_percent": None}


def test_a_scorecard_depends_on_voxels_grid_identity_and_acquisition() -> None:
    known = ["frame_id", "sha256", "source", "prepared_spacing_z_mm", "age_years", "site", "batch"]
    assert scored_columns(known) == ["frame_id", "sha256", "prepared_spacing_z_mm", "site", "batch"]


def test_equal_frames_have_equal_content_whatever_the_order_of_columns() -> None:
    assert case_content([FRAME]) == case_content([dict(reversed(FRAME.items()))])


@pytest.mark.parametrize("changed", [{"sha256": "1" * 64}, {"site": "south"}, {"phase_percent": 0.0}])
def test_any_change_of_a_frame_is_another_content(changed: dict[str, object]) -> None:
    assert case_content([FRAME | changed]) != case_content([FRAME])
    assert case_content([FRAME, FRAME | changed]) != case_content([FRAME])


def test_another_kind_of_scorecard_is_another_content(monkeypatch: pytest.MonkeyPatch) -> None:
    before = case_content([FRAME])
    monkeypatch.setattr(case_scores, "FORMAT", case_scores.FORMAT + 1)
    assert case_content([FRAME]) != before
