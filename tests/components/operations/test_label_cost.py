"""Minutes of accepted answers, counted by hand."""

from __future__ import annotations

import dataclasses

import pytest

from components.errors import ParameterError
from components.labeling.request import LabelingRequest
from components.operations.evaluation import IntervalParams
from components.operations.label_cost import AnswerGiven, CostParams, label_cost

PARAMS = IntervalParams(seed=0, draws=200, level=0.95)
ASKED = LabelingRequest(
    task="classification", case_id="c", frame_id="c", patient_id="p", batch="one", reason="audit", measured=None,
    threshold=None, model_version="none", evidence="audit sample", budget_minutes=5.0, opened_at="", due="",
)  # fmt: skip
REQUESTS = [
    dataclasses.replace(ASKED, frame_id=f"c{i}", case_id=f"c{i}", patient_id=f"p{i}", status=status)
    for i, status in enumerate(("answered", "answered", "answered", "open", "cancelled"))
]
FIRST, SECOND, THIRD = (request.id for request in REQUESTS[:3])
ANSWERS = [
    AnswerGiven(request_id=FIRST, minutes=4.0, replaces=False),
    AnswerGiven(request_id=SECOND, minutes=2.0, replaces=False),
    AnswerGiven(request_id=SECOND, minutes=6.0, replaces=True),
    AnswerGiven(request_id=THIRD, minutes=None, replaces=False),
]


def test_a_label_costs_the_minutes_of_all_its_answers() -> None:
    found = label_cost(REQUESTS, ANSWERS, [], CostParams(per_minute=2.0, currency="EUR"), PARAMS)
    assert {key: found[key] for key in ("opened", "open", "cancelled", "accepted", "replaced")} == {
        "opened": 5, "open": 1, "cancelled": 1, "accepted": 3, "replaced": 1,
    }  # fmt: skip
    assert (found["minutes"], found["with_minutes"], found["without_minutes"]) == (12.0, 2, 1)
    assert found["minutes_per_label"]["value"] == 6.0
    assert found["minutes_per_label"]["patients"] == 2
    assert (found["cost"], found["cost_per_label"]["value"]) == (24.0, 12.0)
    assert found["budget_minutes_per_label"] == 5.0


def test_without_a_price_there_are_minutes_alone() -> None:
    found = label_cost(REQUESTS, ANSWERS, [None, 3.0], None, PARAMS)
    assert (found["cost"], found["cost_per_label"], found["currency"]) == (None, None, None)
    assert (found["accepted"], found["unasked"]) == (5, 2)
    assert (found["minutes"], found["with_minutes"], found["without_minutes"]) == (15.0, 3, 2)


def test_nothing_is_made_of_no_minutes() -> None:
    found = label_cost(REQUESTS, [], [], CostParams(per_minute=2.0, currency="EUR"), PARAMS)
    assert found["cost"] is None
    assert (found["with_minutes"], found["without_minutes"]) == (0, 3)
    assert found["minutes_per_label"]["value"] is None


def test_a_price_has_a_currency() -> None:
    with pytest.raises(ParameterError, match="a currency"):
        CostParams(per_minute=2.0, currency=" ")
