from __future__ import annotations

import pandas as pd

from components.operations.error_review import confident_errors


def table(rows: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    """(frame, patient, truth, probability) of emphysema; a nodule that is always called right."""
    made = pd.DataFrame(rows, columns=["frame_id", "patient_id", "truth_emphysema", "probability_emphysema"])
    return made.assign(case_id=made["frame_id"], batch="one", truth_nodule=0.0, probability_nodule=0.1)


CASES = table(
    [
        ("a", "pa", 0.0, 0.71),
        ("b", "pb", 0.0, 0.99),
        ("b2", "pb", 0.0, 0.98),  # another reconstruction of the same patient
        ("c", "pc", 0.0, 0.60),  # at the threshold, so called
        ("d", "pd", 0.0, 0.59),
        ("e", "pe", 1.0, 0.58),
        ("f", "pf", 1.0, 0.02),
        ("g", "pg", 1.0, 0.60),
        ("h", "ph", float("nan"), 1.0),
    ]
)


def test_the_surest_errors_come_first_one_scan_per_patient() -> None:
    (found,) = confident_errors(CASES, ["emphysema", "nodule"], {"emphysema": 0.6}, most=2)
    assert found.finding == "emphysema"
    assert [(error.frame_id, error.probability) for error in found.false_alarms] == [("b", 0.99), ("a", 0.71)]
    assert [error.frame_id for error in found.misses] == ["f", "e"]
    assert (found.patients_with_false_alarm, found.patients_with_miss) == (3, 2)


def test_equal_probabilities_are_taken_by_name() -> None:
    same = table([(name, f"p{name}", 1.0, 0.2) for name in "cab"])
    (found,) = confident_errors(same, ["emphysema"], {}, most=2)
    assert [error.frame_id for error in found.misses] == ["a", "b"]


def test_nothing_is_shown_where_nothing_is_wrong_or_asked_for() -> None:
    assert confident_errors(CASES.iloc[:0], ["emphysema"], {}, most=2) == []
    assert confident_errors(CASES, ["nodule"], {}, most=2) == []
    (counted,) = confident_errors(CASES, ["emphysema"], {"emphysema": 0.6}, most=0)
    assert (counted.false_alarms, counted.misses, counted.patients_with_miss) == ((), (), 2)
