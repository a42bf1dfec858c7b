from __future__ import annotations

from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from components.operations.reader_agreement import reader_agreement
from components.registry.ledger import LedgerEntry


def reread(subject: str, readers: tuple[str, str] = ("a", "b"), **said: Any) -> LedgerEntry:
    task = "segmentation" if "dice" in said else "classification"
    payload = {
        "task": task,
        "readers": list(readers),
        "labels": ["1", "2"],
        "dice": {},
        "findings": {},
        **said,
    }
    return LedgerEntry(number=1, kind="reread", subject=subject, payload=payload, at="t", sha256="s")


def test_the_mean_dice_of_two_drawings_over_cases() -> None:
    frames = [
        reread("heart-1__phase-000", dice={"aorta": 0.9}),
        reread("heart-1__phase-050", dice={"aorta": 0.7, "left_ventricle": 0.8}),
        reread("heart-2", ("b", "c"), dice={"aorta": 0.5}),
    ]
    aorta, ventricle = reader_agreement(frames)
    assert (aorta["measure"], aorta["value"]) == ("Dice", pytest.approx(0.7))
    assert (aorta["cases"], aorta["readings"], aorta["readers"]) == (2, 3, 3)
    assert aorta["low"] == 0.5
    assert aorta["high"] == pytest.approx(0.8)  # cases are drawn whole
    assert (ventricle["cases"], ventricle["low"]) == (1, None)


def test_kappa_of_each_finding() -> None:
    said = [(1, 1), (1, 0), (0, 0), (0, 0), (1, 1), (0, 1)]
    rows = reader_agreement(
        [reread(f"chest-{n}", findings={"nodule": list(pair)}) for n, pair in enumerate(said)]
    )
    (row,) = rows
    assert row["measure"] == "Cohen's kappa"
    assert row["value"] == pytest.approx(cohen_kappa_score(*zip(*said, strict=True)), abs=1e-6)
    assert row["low"] < row["value"] < row["high"]


def test_nobody_read_a_second_time() -> None:
    assert reader_agreement([]) == []
