"""Whose scans: counted by patient, with no date but its year."""

from __future__ import annotations

import pandas as pd

from components.cohort.split import Split
from components.registry.data_provenance import data_provenance, no_data

SPLIT = Split(
    seed=0, assignments={"a": "train", "b": "train", "c": "test"}, batches={"a": "1", "b": "1", "c": "2"}
)
FRAMES = pd.DataFrame(
    [
        {
            "frame_id": "a1",
            "case_id": "a1",
            "patient_id": "a",
            "site": "north",
            "manufacturer": "ACME",
            "model": "1",
        },
        {
            "frame_id": "a2",
            "case_id": "a2",
            "patient_id": "a",
            "site": "north",
            "manufacturer": "ACME",
            "model": "2",
        },
        {"frame_id": "b1", "case_id": "b1", "patient_id": "b", "site": "", "manufacturer": "", "model": ""},
        {
            "frame_id": "c1",
            "case_id": "c1",
            "patient_id": "c",
            "site": "south",
            "manufacturer": "ACME",
            "model": "1",
        },
    ]
).assign(
    acquired_at=["2021-02-03", "2024-05-06", "", "2025-01-01"], age_years=[17.0, 17.0, float("nan"), 90.0]
)


def test_groups_count_patients_not_scans() -> None:
    found = data_provenance(FRAMES, SPLIT, {"data/x": "abc"})
    train = found["sides"]["train"]
    assert (train["patients"], train["cases"], train["frames"]) == (2, 3, 3)
    assert train["groups"]["site"] == {"north": 1, "unknown": 1}
    assert train["groups"]["scanner"] == {"ACME 1": 1, "ACME 2": 1, "unknown": 1}
    assert train["groups"]["age"] == {"under 18": 1, "unknown": 1}
    assert found["sides"]["test"]["groups"]["age"] == {"65 and over": 1}
    assert train["groups"]["kernel"] == {"unknown": 2}
    assert found["hashes"] == {"data/x": "abc"}


def test_only_years_are_kept() -> None:
    found = data_provenance(FRAMES, SPLIT, {})
    assert found["sides"]["train"]["years"] == ["2021", "2024"]
    assert "2021-02" not in str(found)
    bare = data_provenance(FRAMES[["frame_id", "case_id", "patient_id"]], SPLIT, {})
    assert bare["sides"]["train"]["years"] is None
    assert no_data({})["sides"] == {}
