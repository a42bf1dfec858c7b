"""Which scans an epoch of the classifier's training shows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from components.models.findings_loss import positive_weights
from components.models.labeled import LabeledScan
from components.models.scans import ScanDataset
from components.models.training_plan import ClassificationPlan


def scan(case: str, patient: str, mark: float) -> LabeledScan:
    return LabeledScan(
        case_id=case,
        patient_id=patient,
        provenance="expert",
        read_hu=lambda: np.zeros((6, 8, 8), np.int16),
        findings=np.array([mark], np.float32),
    )


PLAN = ClassificationPlan(shape=(6, 8, 8), slices_per_token=3)


def seen(data: ScanDataset, epochs: int) -> list[list[float]]:
    """The findings (here the scans' marks) that each epoch shows, in its order."""
    length = len(data)
    return [[float(data[e * length + i][2][0]) for i in range(length)] for e in range(epochs)]


def test_an_epoch_shows_one_scan_of_each_patient() -> None:
    scans = [scan("a", "p", 1), scan("b", "q", 2), scan("c", "q", 3), scan("d", "q", 4), scan("e", "r", 5)]
    data = ScanDataset(scans, PLAN)
    epochs = seen(data, 60)
    assert len(data) == 3
    for marks in epochs:
        assert sum(mark in (2, 3, 4) for mark in marks) == 1
        assert {1.0, 5.0} <= set(marks)
    shown = Counter(mark for marks in epochs for mark in marks)
    assert all(shown[mark] >= 8 for mark in (2.0, 3.0, 4.0))
    assert seen(ScanDataset(scans[::-1], PLAN), 60) == epochs


def test_with_one_scan_each_an_epoch_is_a_permutation() -> None:
    data = ScanDataset([scan(f"c{i}", f"p{i}", i) for i in range(6)], PLAN)
    first, second = seen(data, 2)
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4, 5]
    assert first != second


def test_weights_of_positives_are_those_of_the_scans_that_are_shown() -> None:
    """Over many epochs negatives / positives of what the data set shows, and of ``positive_weights``, agree."""
    marks = {"a": 1.0, "b": 0.0, "c": float("nan"), "d": 0.0, "e": 0.0}
    patients = dict(zip(marks, "pppqr", strict=True))
    scans = [scan(case, patients[case], mark) for case, mark in marks.items()]
    shown = np.array(seen(ScanDataset(scans, PLAN), 600))
    (weight,) = positive_weights(
        np.stack([one.findings for one in scans]), [one.patient_id for one in scans], 100.0
    )
    assert (shown == 0).sum() / (shown == 1).sum() == pytest.approx(float(weight), rel=0.15)
