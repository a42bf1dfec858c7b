"""What of a past verdict counts as different; whole replays run in the acceptance tests."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import pytest

from components.errors import StateError
from components.registry.gate_limits import Traits
from pipelines.replay import Replay, _entry, differences
from tests.components.registry.fakes import LedgerInMemory
from tests.pipelines.test_gate_page import verdict

NOW = verdict(traits=(Traits(seconds=1.0, calibration=0.1), Traits(seconds=1.1, calibration=0.1)))


def past(**changed: Any) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(json.dumps(NOW.as_json()))
    return {**tree, **changed}


def test_the_same_is_the_same() -> None:
    assert differences(past(), NOW) == ()


def test_seconds_and_memory_may_differ() -> None:
    slower = dataclasses.replace(NOW, checks=tuple(c for c in NOW.checks if c.name != "latency"))
    assert differences(past(), slower) == ()


def test_every_difference_is_named() -> None:
    patients = copy.deepcopy(past()["patients"])
    patients[0]["challenger"] += 1e-3
    (found,) = differences(past(patients=patients), NOW)
    assert found.startswith("challenger's score of p00: ")
    assert differences(past(patients=patients[1:]), NOW) == ("other test patients",)
    assert differences(past(outcome="refused"), NOW) == ("outcome: refused, now accepted",)
    (found,) = differences(past(context={**past()["context"], "test_set": "x"}), NOW)
    assert found == "the test set is another one"


def test_a_check_that_fails_now_or_is_gone_is_named() -> None:
    checks = copy.deepcopy(past()["checks"])
    checks[-1]["lower"] += 0.1
    (found,) = differences(past(checks=checks), NOW)
    assert found.startswith(f"check {checks[-1]['name']} score")
    (found,) = differences(past(checks=checks[:-1]), NOW)
    assert found.endswith(": only now")


def test_rounding_is_no_difference() -> None:
    patients = copy.deepcopy(past()["patients"])
    patients[0]["champion"] += 1e-9
    assert differences(past(patients=patients), NOW) == ()


def test_the_newest_verdict_of_the_model_unless_one_is_named() -> None:
    ledger = LedgerInMemory()
    for subject in ("a/1", "b/1", "a/2"):
        ledger.append("gate", subject, {})
    assert _entry(ledger, "a", None).subject == "a/2"
    assert _entry(ledger, "a", 1).subject == "a/1"
    for name, number in (("a", 2), ("c", None)):
        with pytest.raises(StateError, match="a gate's verdict about"):
            _entry(ledger, name, number)


def test_words_say_what_differs() -> None:
    same = Replay(
        entry=3,
        subject="a/1",
        commit="c" * 40,
        then="accepted: x",
        now="accepted: x",
        patients=9,
        differences=(),
    )
    assert same.words() == "entry 3, a/1, data version cccccccccccc, 9 test patients\nidentical: accepted: x"
    other = dataclasses.replace(same, now="refused: y", differences=("outcome",))
    assert other.words().endswith("then: accepted: x\nnow:  refused: y\noutcome")
