from __future__ import annotations

import hashlib
import hmac

import pytest

from components.cohort.split import Side, Split
from components.cohort.validation import validation_patients
from components.errors import ParameterError


def split(count: int, *, seed: int = 3) -> Split:
    """Every fifth patient is of the audit sample."""
    sides: dict[str, Side] = {f"p{n}": "test" if n % 5 == 0 else "train" for n in range(count)}
    return Split(seed=seed, assignments=sides, batches=dict.fromkeys(sides, "one"))


def test_the_keyed_hash_of_a_patient_decides() -> None:
    expected = {
        f"p{n}"
        for n in range(200)
        if n % 5
        and int(hmac.new(b"validation 3", f"p{n}".encode(), hashlib.sha256).hexdigest(), 16) / 2**256 < 0.2
    }
    assert validation_patients(split(200), 0.2) == expected


def test_nobody_changes_sides_when_patients_come_and_nobody_is_audited() -> None:
    before, after = validation_patients(split(100), 0.2), validation_patients(split(1000), 0.2)
    assert before == after & set(split(100).assignments)
    assert after.isdisjoint(split(1000).patients("test"))
    assert validation_patients(split(1000), 0.1) < after
    assert 120 < len(after) < 200  # 160 of 800, and four standard deviations of √(800 · 0.2 · 0.8) about it
    assert validation_patients(split(1000, seed=4), 0.2) != after


def test_a_share_of_nobody_and_one_out_of_range() -> None:
    assert validation_patients(split(100), 0.0) == frozenset()
    for share in (-0.1, 1.0):
        with pytest.raises(ParameterError, match=r"validation_share in \[0, 1\)"):
            validation_patients(split(5), share)
