"""The audit sample is asked for a few frames of each cine, once."""

from __future__ import annotations

import math

import pandas as pd

from components.operations.audit_sample import frames_to_audit


def frames() -> pd.DataFrame:
    rows = [("a", "p1", phase) for phase in (0.0, 25.0, 50.0, 75.0)]
    rows += [("b", "p2", phase) for phase in (0.0, 50.0)] + [("c", "p3", math.nan)]
    table = pd.DataFrame(rows, columns=["case_id", "patient_id", "phase_percent"])
    table["frame_id"] = [f"{case}-{index}" for index, case in enumerate(table["case_id"])]
    return table


def test_two_frames_of_a_cine_spread_over_the_cycle() -> None:
    asked = frames_to_audit(
        frames(), task="segmentation", audited=("p1", "p3"), labelled=(), frames_per_case=2
    )
    assert list(asked["frame_id"]) == ["a-0", "a-2", "c-6"]


def test_frames_with_a_label_are_not_asked_for_again() -> None:
    asked = frames_to_audit(
        frames(), task="segmentation", audited=("p1", "p2"), labelled=("a-0", "a-2", "b-4"), frames_per_case=2
    )
    assert list(asked["frame_id"]) == ["b-5"]


def test_labels_elsewhere_in_the_cycle_count() -> None:
    asked = frames_to_audit(
        frames(), task="segmentation", audited=("p1",), labelled=("a-1", "a-3"), frames_per_case=2
    )
    assert asked.empty


def test_nobody_audited_asks_for_nothing() -> None:
    assert frames_to_audit(frames(), task="segmentation", audited=(), labelled=(), frames_per_case=2).empty


def test_findings_are_asked_for_once_per_case() -> None:
    def asked(labelled: tuple[str, ...]) -> list[str]:
        found = frames_to_audit(
            frames(),
            task="classification",
            audited=("p1", "p2", "p3"),
            labelled=labelled,
            frames_per_case=2,
        )
        return list(found["frame_id"])

    assert asked(()) == ["a-0", "b-4", "c-6"]
    assert asked(("a", "c")) == ["b-4"]
