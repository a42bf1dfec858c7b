from __future__ import annotations

import dataclasses

import pytest

from components.errors import ParameterError
from components.registry.gate_limits import Traits, limit_checks
from components.registry.gate_params import GateLimits, GateParams

BEFORE = Traits(calibration=0.05, roughness=0.2, seconds=2.0, memory_mb=1000.0)
LIMITS = GateLimits(calibration=0.1, roughness=1.5, latency=1.5, memory=1.5)


@pytest.mark.parametrize(
    ("trait", "name", "allowed", "too_much"),
    [
        ("calibration", "calibration", 0.149, 0.151),
        ("roughness", "temporal", 0.299, 0.301),
        ("seconds", "latency", 2.99, 3.01),
        ("memory_mb", "memory", 1499.0, 1501.0),
    ],
)
def test_each_limit_holds_up_to_its_multiple(trait: str, name: str, allowed: float, too_much: float) -> None:
    for value, holds in ((allowed, True), (too_much, False)):
        checks = limit_checks(BEFORE, dataclasses.replace(BEFORE, **{trait: value}), LIMITS)
        assert {check.name: check.holds for check in checks if check.name == name} == {name: holds}
        assert all(check.holds for check in checks if check.name != name)


def test_a_multiple_of_almost_nothing_refuses_nobody() -> None:
    tiny = Traits(seconds=0.01, memory_mb=2.0, roughness=0.0)
    more = Traits(seconds=0.2, memory_mb=100.0, roughness=0.009)
    assert all(check.holds for check in limit_checks(tiny, more, LIMITS) if check.name != "calibration")


def test_what_was_not_measured_of_both_is_not_judged() -> None:
    checks = limit_checks(Traits(), BEFORE, LIMITS) + limit_checks(BEFORE, Traits(), LIMITS)
    assert len(checks) == 8
    assert {check.holds for check in checks} == {None}


def test_a_limit_may_be_switched_off() -> None:
    none = GateLimits(calibration=None, roughness=None, latency=None, memory=None)
    assert limit_checks(BEFORE, BEFORE, none) == ()


@pytest.mark.parametrize("wrong", [{"latency": 0.5}, {"calibration": -0.1}, {"memory_slack_mb": -1.0}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=r"gate\.limits"):
        GateLimits(**wrong)  # type: ignore[arg-type]


def test_classes_need_two_patients() -> None:
    with pytest.raises(ParameterError):
        GateParams(margin=0.05, floor=0.5, min_class=1)
