"""What is ruled out, and by which fact."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipelines.pilot.not_for import not_for, strata_evidence

FACTS: dict[str, Any] = {
    "calls": {"a": {"positives": 12}, "b": {"positives": 3}},
    "not_judged": {"c": {"positives": 0, "negatives": 9}},
    "predicted": ("a", "b", "c", "d"),
    "judgements": (),
    "evidence": (),
    "drift": (),
    "min_positives": 10,
    "min_patients": 8,
    "stated": (),
}
DRIFT = {
    "batch": "two", "alarmed": True, "in_use": False, "reason": "image differ", "model_version": "m/1",
    "strata": [{"column": "site", "value": "east"}, {"column": "kvp", "value": "80"}],
}  # fmt: skip


def lines(**changed: Any) -> dict[str, str]:
    return {line["what"]: line["why"] for line in not_for(**{**FACTS, **changed})}


def test_a_finding_without_enough_positives_is_ruled_out() -> None:
    found = lines()
    assert "a" not in found
    assert found["b"] == "3 held-out patients with it, fewer than 10"
    assert found["c"] == "0 held-out patients with it, fewer than 10"
    assert found["d"].startswith("no expert has said anything")


def test_a_criterion_that_is_not_met_rules_its_finding_out() -> None:
    def judgement(about: str, criterion: str, outcome: str) -> dict[str, str]:
        return {"about": about, "criterion": criterion, "outcome": outcome}

    found = lines(
        judgements=(
            judgement("a", "sensitivity", "not met"),
            judgement("a", "specificity", "met"),
            judgement("north", "max_external_drop", "not enough evidence"),
        )
    )
    assert found["a"] == "sensitivity as asked: not met"
    assert found["another site (north)"] == "max external drop as asked: not enough evidence"


def test_strata_with_few_judged_patients_are_ruled_out() -> None:
    frames = pd.DataFrame(
        {
            "frame_id": [f"f{i}" for i in range(20)],
            "patient_id": [f"p{i}" for i in range(20)],
            "site": ["north"] * 12 + ["south"] * 8,
            "kernel": ["soft"] * 20,
            "age_years": [70.0] * 19 + [10.0],
        }
    )
    evidence = strata_evidence(frames[["frame_id"]].head(14), frames)
    assert {(row["column"], row["value"]): (row["judged"], row["seen"]) for row in evidence} == {
        ("site", "north"): (12, 12),
        ("site", "south"): (2, 8),
        ("kernel", "soft"): (14, 20),
        ("age", "65 and over"): (14, 19),
        ("age", "under 18"): (0, 1),
    }
    found = lines(evidence=evidence)
    assert found["site south"] == "2 of 8 patients were judged, fewer than 8"
    assert found["patients aged under 18"].startswith("0 of 1 patients")
    assert "any other kernel than soft" in found
    assert "claims about any sex" in found
    assert not any("south" in what for what in found if what.startswith("any other"))


def test_a_drifted_batch_is_ruled_out_until_its_like_is_judged() -> None:
    what = "scans like those of batch two (site east, kvp 80)"
    few = {"column": "site", "value": "east", "judged": 3, "seen": 60}
    enough = {**few, "judged": 24}
    assert what in lines(drift=[DRIFT])
    assert what in lines(drift=[DRIFT], evidence=[few])
    assert what not in lines(drift=[DRIFT], evidence=[enough])
    assert what in lines(drift=[{**DRIFT, "in_use": True}], evidence=[enough])
    assert what not in lines(drift=[{**DRIFT, "alarmed": False}])


def test_what_a_department_states_stands_there_too() -> None:
    assert lines(stated=("Children.",))["Children."] == "stated in params.yaml"
