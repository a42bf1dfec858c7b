"""Hours against a sum over studies, and their ends against a search over what is assumed."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from components.errors import ParameterError
from components.operations.reading_hours import Assumed, HoursParams, hours_saved


def sure(value: float) -> Assumed:
    return Assumed(low=value, central=value, high=value)


def measured(low: float, value: float, high: float) -> dict[str, float]:
    return {"low": low, "value": value, "high": high}


CALL = {
    "sensitivity": measured(0.7, 0.9, 1.0),
    "specificity": measured(0.5, 0.8, 0.9),
    "workload": measured(0.2, 0.3, 0.5),
}
PRESENT = measured(0.1, 0.2, 0.3)
PARAMS = HoursParams(
    studies_per_year=Assumed(low=800, central=1000, high=1500),
    minutes_per_study=Assumed(low=9, central=10, high=11),
    minutes_flagged=Assumed(low=9, central=11, high=14),
    minutes_unflagged=Assumed(low=4, central=6, high=9),
)


def test_the_central_value_is_a_sum_over_the_studies_of_a_year() -> None:
    flagged = np.arange(1000) < 300
    minutes = np.where(flagged, 11.0, 6.0)
    found = hours_saved(PARAMS, CALL, PRESENT)
    assert found["saved_hours"]["central"] == pytest.approx((10.0 - minutes).sum() / 60)
    assert found["missed_studies"]["central"] == pytest.approx(1000 * 0.2 * 0.1)


def test_nothing_between_the_ends_lies_outside_of_them() -> None:
    found = hours_saved(PARAMS, CALL, PRESENT)["saved_hours"]
    inside = (np.linspace(n.low, n.high, 5) for n in vars(PARAMS).values() if n is not None)
    values = [
        n * (today - f * yes - (1 - f) * no) / 60
        for (n, today, yes, no), f in itertools.product(itertools.product(*inside), np.linspace(0.2, 0.5, 5))
    ]
    assert (min(values), max(values)) == pytest.approx((found["low"], found["high"]))


def test_a_stated_prevalence_gives_another_share_of_flagged_studies() -> None:
    found = hours_saved(dataclasses.replace(PARAMS, prevalence=sure(0.05)), CALL, PRESENT)
    assert found["flagged"]["central"] == pytest.approx(0.05 * 0.9 + 0.95 * 0.2)
    assert found["flagged"]["high"] == pytest.approx(0.05 * 1.0 + 0.95 * 0.5)
    assert found["missed_studies"]["high"] == pytest.approx(1500 * 0.05 * 0.3)


@pytest.mark.parametrize(
    ("unflagged", "verdict"),
    [(4.0, "hours are saved"), (10.0, "no saving can be told from 0"), (13.0, "hours are lost")],
)
def test_a_saving_of_which_an_end_is_0_is_none(unflagged: float, verdict: str) -> None:
    params = HoursParams(
        studies_per_year=sure(1000), minutes_per_study=sure(10), minutes_flagged=sure(10),
        minutes_unflagged=sure(unflagged),
    )  # fmt: skip
    assert hours_saved(params, CALL, PRESENT)["verdict"] == verdict


def test_without_an_interval_there_is_no_verdict() -> None:
    unknown = {"value": None, "low": None, "high": None}
    found = hours_saved(PARAMS, {**CALL, "workload": unknown}, PRESENT)
    assert (found["saved_hours"], found["verdict"]) == (None, "not enough evidence")


def test_assumptions_rise() -> None:
    with pytest.raises(ParameterError, match="low <= central <= high"):
        Assumed(low=2, central=1, high=3)
    with pytest.raises(ParameterError, match="prevalence at most 1"):
        dataclasses.replace(PARAMS, prevalence=sure(20))
