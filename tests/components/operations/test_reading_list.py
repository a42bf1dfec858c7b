from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import InputError, ParameterError
from components.operations.reading_list import BLINDED, finding_weights, reading_list, urgency_of

FINDINGS = ("effusion", "nodule", "emphysema", "hernia")


def studies(*rows: tuple[Any, ...], **columns: list[Any]) -> pd.DataFrame:
    """(case, arrival, probability of each finding)."""
    names = ["case_id", "arrival", *(f"probability_{name}" for name in FINDINGS)]
    return pd.DataFrame(rows, columns=names).assign(**columns)


def cases(table: pd.DataFrame, weights: dict[str, float]) -> list[str]:
    return [row.case_id for row in reading_list(table, finding_weights(weights, FINDINGS))]


def test_the_largest_expected_cost_is_read_first_and_ties_by_arrival() -> None:
    table = studies(
        ("late", "2026-02-02", 0.2, 0.2, 0.0, 0.0),
        ("worst", "2026-02-03", 0.9, 0.1, 0.0, 0.3),
        ("early", "2026-02-01", 0.4, 0.0, 0.0, 0.0),
        ("well", "2026-01-01", 0.0, 0.0, 0.0, 0.0),
    )
    assert cases(table, {}) == ["worst", "early", "late", "well"]
    assert cases(table, {"nodule": 10.0}) == ["late", "worst", "early", "well"]
    assert cases(table, {"*": 0.0, "hernia": 1.0}) == ["worst", "well", "early", "late"]


def test_a_row_says_what_makes_it_urgent() -> None:
    (row,) = reading_list(
        studies(("a", 1, 0.5, 0.9, 0.25, 0.0)), finding_weights({"effusion": 2.0, "emphysema": 4.0}, FINDINGS)
    )
    assert row.urgency == pytest.approx(0.5 * 2 + 0.9 + 0.25 * 4)
    assert [(one.finding, one.probability, one.contribution) for one in row.findings] == [
        ("effusion", 0.5, 1.0), ("emphysema", 0.25, 1.0), ("nodule", 0.9, 0.9),
    ]  # fmt: skip
    assert (row.rank, row.reason) == (1, "")


def test_at_most_three_findings_are_named() -> None:
    (row,) = reading_list(studies(("a", 1, 0.1, 0.4, 0.3, 0.2)), finding_weights({}, FINDINGS))
    assert [one.finding for one in row.findings] == ["nodule", "emphysema", "hernia"]


def test_an_unknown_probability_comes_first_with_its_reason() -> None:
    nan = float("nan")
    table = studies(
        ("sure", 1, 1.0, 1.0, 1.0, 1.0),
        ("failed", 3, nan, nan, nan, nan),
        ("partly", 2, 0.1, nan, 0.0, 0.0),
        reason=["", "the file is cut short", ""],
    )
    rows = reading_list(table, finding_weights({}, FINDINGS))
    assert [(row.case_id, row.urgency) for row in rows] == [("partly", None), ("failed", None), ("sure", 4.0)]
    assert rows[0].reason == "no probability of nodule"
    assert rows[1].reason == "no prediction: the file is cut short"
    assert [one.finding for one in rows[0].findings] == ["effusion"]


def test_what_weighs_nothing_may_be_unknown() -> None:
    table = studies(("a", 1, 0.1, float("nan"), 0, 0), ("b", 2, 0.3, 0.0, 0, 0))
    assert cases(table, {"nodule": 0.0}) == ["b", "a"]


def test_what_waited_too_long_comes_before_the_urgent_in_order_of_arrival() -> None:
    table = studies(
        ("urgent", 1, 0.9, 0, 0, 0), ("old", 3, 0.1, 0, 0, 0), ("older", 2, 0.0, 0, 0, 0),
        ("failed", 4, float("nan"), 0, 0, 0), overdue=["", "since Monday", "since Sunday", ""],
    )  # fmt: skip
    rows = reading_list(table, finding_weights({}, FINDINGS))
    assert [row.case_id for row in rows] == ["failed", "older", "old", "urgent"]
    assert (rows[1].reason, rows[1].urgency) == ("since Sunday", 0.0)


def test_no_study_is_an_empty_list() -> None:
    assert reading_list(studies(), finding_weights({}, FINDINGS)) == ()


def test_all_unknown_is_the_order_of_arrival() -> None:
    nan = (float("nan"),) * 4
    table = studies(("b", 2, *nan), ("a", 1, *nan), ("c", 2, *nan))
    assert cases(table, {}) == ["a", "b", "c"]


def test_an_unknown_finding_is_named_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"got 'efusion', try 'effusion'"):
        finding_weights({"efusion": 1.0}, FINDINGS)
    known = finding_weights({"fracture": 2.0}, FINDINGS, (*FINDINGS, "fracture"))
    assert known == dict.fromkeys(FINDINGS, 1.0)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["nodule", "*"])
def test_a_weight_that_cannot_be_is_refused(name: str, weight: float) -> None:
    with pytest.raises(ParameterError, match="0 or more"):
        finding_weights({name: weight}, FINDINGS)


def test_weights_that_order_nothing_are_refused() -> None:
    with pytest.raises(ParameterError, match="a positive weight"):
        finding_weights({"*": 0.0}, FINDINGS)
    with pytest.raises(ParameterError, match="predicts no finding"):
        finding_weights({}, ())


def test_tables_that_cannot_be_are_refused() -> None:
    weights = finding_weights({}, FINDINGS)
    with pytest.raises(InputError, match="probability_hernia"):
        reading_list(studies(("a", 1, 0, 0, 0, 0)).drop(columns="probability_hernia"), weights)
    with pytest.raises(InputError, match="a twice"):
        reading_list(studies(("a", 1, 0, 0, 0, 0), ("a", 2, 0, 0, 0, 0)), weights)
    with pytest.raises(InputError, match="from 0 to 1"):
        reading_list(studies(("a", 1, 1.5, 0, 0, 0)), weights)


def test_urgency_is_the_expected_cost_also_of_findings_that_go_together() -> None:
    """Of outcomes drawn with dependence, the mean cost is Σ weight × P, whatever the dependence."""
    generator = np.random.default_rng(0)
    first = generator.random(200_000) < 0.3
    outcomes = np.stack([first, first | (generator.random(200_000) < 0.2)], axis=1)
    weights = (2.0, 0.5)
    mean_cost = float((outcomes @ np.array(weights)).mean())
    assert float(urgency_of(outcomes.mean(axis=0)[None], weights)[0]) == pytest.approx(mean_cost)


def test_a_blinded_study_stands_where_it_arrived_and_tells_nothing() -> None:
    """Whatever its probabilities are, the list is the same."""
    lists = []
    for said in (0.0, 1.0, float("nan")):
        table = studies(
            ("urgent", 4, 0.9, 0.9, 0.0, 0.0),
            ("early", 1, 0.1, 0.0, 0.0, 0.0),
            ("audit", 3, said, said, said, said),
            ("late", 5, 0.2, 0.0, 0.0, 0.0),
            ("audit too", 2, 1.0 - said, said, said, said),
            blinded=[False, False, True, False, True],
        )
        lists.append(reading_list(table, finding_weights({}, FINDINGS)))
    assert lists[0] == lists[1] == lists[2]
    assert [row.case_id for row in lists[0]] == ["urgent", "audit too", "audit", "late", "early"]
    assert [row.rank for row in lists[0]] == [1, 2, 3, 4, 5]
    hidden = [row for row in lists[0] if row.blinded]
    assert [(row.urgency, row.findings, row.reason) for row in hidden] == [(None, (), BLINDED)] * 2


def test_all_blinded_is_first_in_first_out() -> None:
    table = studies(("b", 2, 1, 1, 1, 1), ("a", 1, 0, 0, 0, 0), ("c", 3, 1, 0, 0, 0)).assign(blinded=True)
    assert cases(table, {}) == ["a", "b", "c"]


def test_reading_by_urgency_costs_least_in_expectation() -> None:
    """Smith's rule, against all orders of five studies: expected cost = Σ urgency × position."""
    import itertools

    generator = np.random.default_rng(1)
    said = generator.random((5, 4))
    weights = finding_weights({"effusion": 3.0, "hernia": 0.2}, FINDINGS)
    rows = reading_list(studies(*((f"{i}", i, *said[i]) for i in range(5))), weights)
    cost = urgency_of(said, list(weights.values()))
    best = min(
        itertools.permutations(range(5)), key=lambda order: sum(cost[i] * p for p, i in enumerate(order))
    )
    assert [int(row.case_id) for row in rows] == list(best)
