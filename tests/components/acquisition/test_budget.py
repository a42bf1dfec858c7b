from __future__ import annotations

import math

import pytest

from components.acquisition.budget import Budget, Spending, spend
from components.acquisition.choice import Choice
from components.errors import ParameterError


def choice(case: str, minutes: float = 0.0) -> Choice:
    return Choice(case_id=case, patient_id=case, score=0.0, reason="because", minutes=minutes)


def test_what_no_longer_fits_is_passed_over() -> None:
    budget = Budget(minutes=10.0, case_minutes={"a": 6.0, "b": 5.0, "c": 4.0})
    bought = spend(budget, [choice("a"), choice("b"), choice("c")])
    assert [(one.case_id, one.minutes) for one in bought] == [("a", 6.0), ("c", 4.0)]


def test_cases_bound_the_choice_too() -> None:
    spending = Spending(Budget(cases=1, usual_minutes=3.0))
    assert spending.affords("a")
    assert spending.pay("a") == 3.0
    assert not spending.affords("b")


def test_minutes_that_add_up_exactly_are_spent() -> None:
    assert len(spend(Budget(minutes=0.3, usual_minutes=0.1), [choice(name) for name in "abc"])) == 3


def test_the_rest_of_a_budget() -> None:
    rest = Budget(minutes=10.0, cases=3).without([choice("a", 4.0), choice("b", 7.0)])
    assert (rest.minutes, rest.cases) == (0.0, 1)


@pytest.mark.parametrize(
    ("budget", "cases"),
    [
        (Budget(minutes=10.0, usual_minutes=3.0), 3),
        (Budget(cases=2), 2),
        (Budget(), 4),
        (Budget(minutes=2.0, usual_minutes=3.0), 0),
    ],
)
def test_how_many_cases_it_buys(budget: Budget, cases: int) -> None:
    assert budget.number_of_cases("abcd") == cases
    assert budget.number_of_cases("") == 0


@pytest.mark.parametrize("wrong", [{"minutes": math.nan}, {"usual_minutes": 0.0}, {"progress": 1.5}])
def test_impossible_budgets_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        Budget(**wrong)  # type: ignore[arg-type]
