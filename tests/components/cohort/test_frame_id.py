from __future__ import annotations

import pytest

from components.cohort.frame_id import case_of, frame_id, phase_of


@pytest.mark.parametrize("phase", [None, 0.0, 35.0, 100.0])
def test_a_name_gives_back_what_it_was_made_of(phase: float | None) -> None:
    name = frame_id("case-1", phase)
    assert (case_of(name), phase_of(name)) == ("case-1", phase)


@pytest.mark.parametrize("name", ["case", "case__phase-", "case__phase-x", "__phase-"])
def test_names_without_a_phase_have_none(name: str) -> None:
    assert phase_of(name) is None
