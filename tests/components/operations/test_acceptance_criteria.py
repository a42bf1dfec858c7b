"""When a criterion is met: by the conservative end, with enough patients, for every finding that it names."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import ParameterError
from components.operations.acceptance_criteria import (
    AcceptanceCriteria,
    FindingCriteria,
    Judgement,
    decided,
    judge_criteria,
    overall,
)

Bounds = dict[str, Any]


def interval(low: float, value: float, high: float, patients: int = 40) -> Bounds:
    return {"low": low, "value": value, "high": high, "patients": patients}


@pytest.mark.parametrize(
    ("bound", "at_least", "judged_by", "expected"),
    [
        (0.80, True, "interval", "met"),
        (0.85, True, "interval", "not enough evidence"),
        (0.91, True, "interval", "not enough evidence"),
        (0.96, True, "interval", "not met"),
        (0.95, False, "interval", "met"),
        (0.85, False, "interval", "not enough evidence"),
        (0.75, False, "interval", "not met"),
        (0.90, True, "value", "met"),
        (0.91, True, "value", "not met"),
    ],
)
def test_the_conservative_end_decides(bound: float, at_least: bool, judged_by: Any, expected: str) -> None:
    measured = interval(0.8, 0.9, 0.95)
    assert decided(measured, bound, at_least=at_least, judged_by=judged_by, enough=True) == expected
    assert (
        decided(measured, bound, at_least=at_least, judged_by=judged_by, enough=False)
        == "not enough evidence"
    )


CALLS = {
    "a": {
        "positives": 12, "negatives": 30,
        "sensitivity": interval(0.85, 0.9, 0.95), "specificity": interval(0.5, 0.6, 0.7),
        "workload": interval(0.3, 0.35, 0.4),
    },
    "b": {
        "positives": 5, "negatives": 37,
        "sensitivity": interval(0.9, 1.0, 1.0), "specificity": interval(0.9, 0.95, 1.0),
        "workload": interval(0.1, 0.15, 0.2),
    },
}  # fmt: skip
METRICS = {"auroc": {"macro": interval(0.8, 0.85, 0.9)}, "ece": {"macro": interval(0.02, 0.05, 0.12)}}


def judged(criteria: AcceptanceCriteria, drops: Any = None) -> list[tuple[str, str, str]]:
    found = judge_criteria(
        criteria, predicted=("a", "b", "c"), calls=CALLS, metrics=METRICS, external_drops=drops or {}
    )
    return [(one.about, one.criterion, one.outcome) for one in found]


def test_a_star_asks_of_every_other_finding_that_the_model_predicts() -> None:
    every, wanted = FindingCriteria(sensitivity=0.8), FindingCriteria(specificity=0.8, max_workload=0.4)
    assert judged(AcceptanceCriteria(min_patients=10, findings={"*": every, "a": wanted})) == [
        ("a", "specificity", "not met"),
        ("a", "workload", "met"),
        ("b", "sensitivity", "not enough evidence"),
        ("c", "sensitivity", "not enough evidence"),
    ]


def test_a_finding_may_need_another_number_of_patients() -> None:
    one = {"b": FindingCriteria(sensitivity=0.8, min_patients=5)}
    assert judged(AcceptanceCriteria(min_patients=10, findings=one)) == [("b", "sensitivity", "met")]


def test_macro_values_and_each_external_test_are_judged() -> None:
    criteria = AcceptanceCriteria(macro_auroc=0.75, max_calibration_error=0.1, max_external_drop=0.05)
    assert judged(criteria) == [
        ("all findings", "macro_auroc", "met"),
        ("all findings", "max_calibration_error", "not enough evidence"),
        ("no external test", "max_external_drop", "not enough evidence"),
    ]
    drops = {"north": interval(-0.02, 0.01, 0.04), "south": interval(0.06, 0.1, 0.2)}
    assert judged(criteria, drops)[2:] == [
        ("north", "max_external_drop", "met"),
        ("south", "max_external_drop", "not met"),
    ]


def test_a_finding_that_the_model_does_not_predict_is_refused() -> None:
    with pytest.raises(ParameterError, match="got plague"):
        judged(AcceptanceCriteria(findings={"plague": FindingCriteria(sensitivity=0.9)}))


def test_all_must_be_met() -> None:
    def of(*outcomes: Any) -> list[Judgement]:
        return [
            Judgement(
                about="a", criterion="sensitivity", at_least=True, bound=0.5, measured=None, patients=0, needed=1,
                outcome=outcome,
            )
            for outcome in outcomes
        ]  # fmt: skip

    assert overall(of("met", "met")) == "met"
    assert overall(of("met", "not enough evidence")) == "not enough evidence"
    assert overall(of("not enough evidence", "not met", "met")) == "not met"
    assert overall([]) is None


def test_a_bound_is_a_share() -> None:
    with pytest.raises(ParameterError, match="between 0 and 1"):
        FindingCriteria(sensitivity=90.0)
