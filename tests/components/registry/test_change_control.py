"""What of a challenger lies outside the limits that its parent was approved with."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from components.errors import ParameterError
from components.registry.change_control import ChangeLimits, within_limits

LIMITS = ChangeLimits(
    max_automatic_promotions=3,
    parameters=("train.segmentation.plan.seed", "pseudo_label.*.resolved_*"),
    provenances=("expert",),
    max_new_label_share=0.2,
    max_removed_label_share=0.1,
    min_gate_gain=0.005,
    min_gate_patients=2,
    floors={"dice/mean": 0.7},
)


def dossier(package: str, *, parent: str | None = None) -> dict[str, Any]:
    """As much of a dossier as the limits look at; nothing in it has changed."""
    changes = {
        "parent": {"package_hash": parent},
        "parameters": [],
        "code": [],
        "contract": [],
        "labels": {"new": {}, "new_share": 0.0, "removed_share": 0.0},
        "patients": {"test": {"removed": 0}},
        "sites": {"added": []},
        "scanners": {"added": []},
    }
    return {
        "identity": {"package_hash": package},
        "change_control": LIMITS.as_json(),
        "changes": changes if parent else None,
        "tests": {"metrics": [{"metric": "dice", "label": "mean", "low": 0.75}]},
    }


def verdict(**changed: Any) -> dict[str, Any]:
    context = {"challenger": {"package_hash": "new"}, "champion": {"package_hash": "old"}}
    checks = [
        {"name": "non-inferiority", "stratum": "all", "lower": 0.5},
        {"name": "superiority", "stratum": "all", "lower": 0.01},
    ]
    return {
        "outcome": "accepted",
        "checks": checks,
        "patients": [{}, {}, {}],
        "context": context,
        **changed,
    }


def reasons(
    change: Any = None, *, before: int = 0, said: dict[str, Any] | None = None, limits: ChangeLimits = LIMITS
) -> tuple[str, ...]:
    challenger, parent = dossier("new", parent="old"), dossier("old")
    challenger["change_control"] = parent["change_control"] = limits.as_json()
    if change is not None:
        change(challenger)
    return within_limits(challenger, parent, verdict=said or verdict(), automatic_promotions=before)


def test_a_challenger_within_all_limits_has_no_reason_against_it() -> None:
    assert reasons() == ()
    assert reasons(before=2) == ()


def test_the_defaults_promote_nothing() -> None:
    assert reasons(limits=ChangeLimits()) == ("its parent's limits allow no promotion without a person",)


def test_without_a_parent_or_with_another_one_a_person_decides() -> None:
    assert within_limits(dossier("new"), None, verdict=verdict(), automatic_promotions=0)
    (reason,) = within_limits(
        dossier("new", parent="older"), dossier("old"), verdict=verdict(), automatic_promotions=0
    )
    assert "does not start from the version in use" in reason
    (reason,) = within_limits(dossier("new"), dossier("old"), verdict=verdict(), automatic_promotions=0)
    assert "does not start from the version in use" in reason


def set_in(*path: str, to: Any) -> Any:
    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_in("changes", "parameters", to=[{"path": "gate.segmentation.margin"}]), "gate.segmentation.margin"),
        (set_in("changes", "code", to=[{"path": "components/models"}]), "components/models"),
        (set_in("changes", "contract", to=[{"path": "input.spacing_mm"}]), "input.spacing_mm"),
        (set_in("changes", "patients", "test", "removed", to=1), "test patients that are no test patients"),
        (set_in("changes", "labels", "new", to={"pseudo": 1}), "provenance pseudo, allowed: expert"),
        (set_in("changes", "labels", "new_share", to=0.21), "share of new training labels: 0.210, allowed: 0.2"),
        (set_in("changes", "labels", "removed_share", to=0.5), "share of removed training labels: 0.500"),
        (set_in("changes", "labels", "removed_share", to=None), "share of removed training labels: unknown"),
        (set_in("changes", "sites", "added", to=["north"]), "training sites that its parent had not seen: north"),
        (set_in("changes", "scanners", "added", to=["ACME 2"]), "scanners that its parent had not seen: ACME 2"),
        (set_in("change_control", to=ChangeLimits(max_automatic_promotions=9).as_json()), "approved with"),
        (set_in("tests", "metrics", to=[]), "lower end of dice/mean: not measured, needed: 0.7"),
        (
            set_in("tests", "metrics", to=[{"metric": "dice", "label": "mean", "low": 0.6}]),
            "lower end of dice/mean: 0.600",
        ),
    ],
)  # fmt: skip
def test_each_change_outside_the_limits_is_named(change: Any, said: str) -> None:
    (reason,) = reasons(change)
    assert said in reason


def test_changes_that_the_limits_allow_are_silent() -> None:
    allowed = [
        {"path": "train.segmentation.plan.seed"},
        {"path": "pseudo_label.segmentation.resolved_sha256"},
    ]
    assert reasons(set_in("changes", "parameters", to=allowed)) == ()
    wide = ChangeLimits(**{**vars(LIMITS), "code": True, "new_sites": True, "new_scanners": True})
    for what in ("sites", "scanners"):
        assert reasons(set_in("changes", what, "added", to=["another"]), limits=wide) == ()
    assert reasons(set_in("changes", "code", to=[{"path": "components/models"}]), limits=wide) == ()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (verdict(outcome="refused"), "the gate's verdict: refused"),
        (verdict(patients=[{}]), "judged by the gate: 1, needed: 2"),
        (verdict(checks=[]), "best lower bound of a superiority: none"),
        (verdict(checks=[{"name": "superiority", "lower": 0.001}]), "superiority: 0.0010, needed: 0.005"),
        (verdict(context={}), "not about these two versions"),
    ],
)
def test_the_gate_must_have_shown_enough(said: dict[str, Any], reason: str) -> None:
    assert [reason in found for found in reasons(said=said)] == [True]


def test_promotions_in_a_row_end() -> None:
    assert reasons(before=3) == ("automatic promotions in a row: 3 before it, allowed: 3",)


def test_limits_come_back_from_json() -> None:
    content = LIMITS.as_json()
    assert ChangeLimits.from_json(copy.deepcopy(content)) == LIMITS
    with pytest.raises(TypeError):
        ChangeLimits.from_json({"anything": True})


def test_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ParameterError, match="shares in"):
        ChangeLimits(max_new_label_share=1.5)
