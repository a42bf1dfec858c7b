"""Whether the loop closed: each fault of a demo is found and named."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from components.errors import StateError
from pipelines.demo_report import check_outcome


def closed() -> dict[str, Any]:
    """A summary with what decides the exit code."""
    row = {"champion_before": 1, "champion_after": 2, "drift": {"one": "no drift", "two": "drift"}}
    return {
        "table": [{"task": task, **deepcopy(row)} for task in ("segmentation", "classification")],
        "bad_challengers": {"wrong labels": "refused", "champion against itself": "refused"},
        "requests": [{"status": "answered"}, {"status": "cancelled"}],
    }


def fault(**changes: Any) -> str:
    """What ``check_outcome`` says of classification with these changes."""
    summary = closed()
    summary["table"][1] |= changes
    with pytest.raises(StateError) as caught:
        check_outcome(summary)
    return str(caught.value)


def test_a_loop_that_closed_has_no_fault() -> None:
    check_outcome(closed())


@pytest.mark.parametrize(("before", "after"), [(1, 1), (None, None)])
def test_a_challenger_that_was_not_accepted(before: int | None, after: int | None) -> None:
    said = fault(champion_before=before, champion_after=after)
    assert "classification: the retrained challenger was not accepted" in said
    assert "segmentation" not in said


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        ({"one": "drift", "two": "drift"}, "batch one gave 'drift' instead of 'no drift'"),
        ({"one": "no drift", "two": "no drift"}, "batch two gave 'no drift' instead of 'drift'"),
        ({"one": "no drift"}, "batch two gave None instead of 'drift'"),
    ],
)
def test_a_wrong_drift_verdict(drift: dict[str, str], words: str) -> None:
    assert f"classification: {words}" in fault(drift=drift)


@pytest.mark.parametrize("what", ["wrong labels", "champion against itself"])
@pytest.mark.parametrize("outcome", ["accepted", "not enough evidence", None])
def test_a_bad_challenger_that_was_not_refused(what: str, outcome: str | None) -> None:
    summary = closed()
    summary["bad_challengers"][what] = outcome
    with pytest.raises(StateError, match=f"{what}: {outcome} instead of refused"):
        check_outcome(summary)


def test_requests_left_unanswered() -> None:
    summary = closed()
    summary["requests"] += [{"status": "open"}] * 2
    with pytest.raises(StateError, match="labeling requests left unanswered: 2"):
        check_outcome(summary)
