from __future__ import annotations

import pandas as pd
import pytest

from components.drift.window import Window, cases_in
from components.errors import ParameterError

FRAMES = pd.DataFrame(
    {
        "case_id": ["a1", "b1", "c1", "a2", "d1", "e1"],
        "patient_id": ["a", "b", "c", "a", "d", "e"],
        "acquired_at": ["2026-01-01", "2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02", ""],
    }
)


def test_days_count_the_last_one() -> None:
    assert cases_in(FRAMES, Window(until="2026-02-01", days=2)) == ["c1", "a2"]
    assert cases_in(FRAMES, Window(until="2026-02-01", days=32)) == ["a1", "b1", "c1", "a2"]


def test_patients_are_taken_by_their_newest_scan_and_whole() -> None:
    assert cases_in(FRAMES, Window(until="2026-02-02", patients=2)) == ["a1", "a2", "d1"]
    assert cases_in(FRAMES, Window(until="2026-01-31", patients=2)) == ["b1", "c1"]


@pytest.mark.parametrize(
    "wrong", [{}, {"days": 0}, {"days": 3, "patients": 3}, {"days": 3, "until": "soon"}, {"patients": -1}]
)
def test_impossible_windows_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        Window(**{"until": "2026-02-01", **wrong})  # type: ignore[arg-type]
