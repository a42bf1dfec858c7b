from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from components.errors import StateError
from components.operations.external_test import LeakCheck, TrainingRecord, leak_checks, refuse_leaks

FRAMES = pd.DataFrame(
    {
        "frame_id": ["a0", "a1", "b0"],
        "patient_id": ["pa", "pa", "pb"],
        "sha256": ["va0", "va1", "vb0"],
    }
)
LABELS = {"a0": "la0", "b0": "lb0"}
TRAINED = TrainingRecord(
    patients=("t1", "t2"),
    pseudonym_key="key",
    label_sha256={"t1x": "lt1"},
    scans=pd.DataFrame({"frame_id": ["t1x", "h1x"], "patient_id": ["t1", "h1"], "sha256": ["vt1", "vh1"]}),
)


def leaked(trained: TrainingRecord, key: str = "key") -> set[str]:
    return {frame for check in leak_checks(FRAMES, LABELS, key, trained) for frame in check.leaked}


def test_strangers_are_no_leak() -> None:
    checks = leak_checks(FRAMES, LABELS, "key", TRAINED)
    assert leaked(TRAINED) == set()
    refuse_leaks("m/1", FRAMES, checks)
    words = " ".join(check.statement for check in checks)
    assert "0 of 2 patients are among the 2 that trained it" in words
    assert "one of the 1 frames of 1 training patients" in words
    assert "teacher" in words


def test_a_patient_who_trained_it() -> None:
    trained = replace(TRAINED, patients=("t1", "pa"))
    assert leaked(trained) == {"a0", "a1"}
    with pytest.raises(StateError, match=r"1 of 2 who did \(By pseudonym"):
        refuse_leaks("m/1", FRAMES, leak_checks(FRAMES, LABELS, "key", trained))


def test_other_keys_cannot_be_compared_but_voxels_can() -> None:
    trained = replace(TRAINED, patients=("t1", "pa"), pseudonym_key="another")
    checks = leak_checks(FRAMES, LABELS, "key", trained)
    assert "another key" in checks[0].statement
    assert leaked(trained) == set()
    same_scan = replace(trained, scans=TRAINED.scans.assign(sha256=["vb0", "vh1"]))
    assert leaked(same_scan) == {"b0"}


def test_a_scan_of_a_patient_who_only_judged_it_is_no_leak() -> None:
    assert leaked(replace(TRAINED, scans=TRAINED.scans.assign(sha256=["vt1", "vb0"]))) == set()


def test_the_same_label_under_another_name() -> None:
    assert leaked(replace(TRAINED, label_sha256={"t1x": "lb0"})) == {"b0"}
    assert leaked(replace(TRAINED, label_sha256={"gone": "lb0"})) == {"b0"}
    assert leaked(replace(TRAINED, label_sha256={"h1x": "lb0", "a0": "la0"})) == set()


def test_without_scans_to_compare_that_is_said() -> None:
    checks = leak_checks(FRAMES, LABELS, "key", replace(TRAINED, scans=TRAINED.scans.iloc[:0]))
    assert isinstance(checks[1], LeakCheck)
    assert "no scan that trained it" in checks[1].statement


def test_findings_that_many_people_share_are_no_leak() -> None:
    trained = replace(TRAINED, label_sha256={"t1x": "la0"})
    checks = leak_checks(FRAMES, None, "key", trained)
    assert not any(check.leaked for check in checks)
    assert "other voxels" in checks[2].statement


def test_a_package_that_names_nobody_cannot_be_compared() -> None:
    checks = leak_checks(FRAMES, None, "key", replace(TRAINED, patients=()))
    assert "names nobody who trained it" in checks[0].statement
