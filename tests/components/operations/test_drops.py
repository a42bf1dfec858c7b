"""Drops of two groups of people against means, scikit-learn and hand-worked values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from components.operations.drops import finding_drops, structure_drops
from components.operations.evaluation import IntervalParams

PARAMS = IntervalParams(seed=0, draws=500, level=0.95)


def patients(prefix: str, dice: list[float], hd95: float, *, aorta: bool = True) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "patient_id": [f"{prefix}{i}" for i in range(len(dice))],
            "dice_left_ventricle": dice,
            "hd95_mm_left_ventricle": hd95,
        }
    )
    return table.assign(dice_aorta=0.1) if aorta else table


def test_a_drop_is_a_loss_whatever_is_better() -> None:
    own, other = patients("h", [0.9, 0.92, 0.94], 2.0), patients("e", [0.8, 0.7], 5.0, aorta=False)
    rows = {
        (row["metric"], row["label"]): row
        for row in structure_drops(own, other, ("left_ventricle", "aorta"), PARAMS)
    }
    assert set(rows) == {(m, s) for m in ("dice", "hd95_mm") for s in ("mean", "left_ventricle")}
    assert rows["dice", "mean"]["drop"]["value"] == pytest.approx(0.17)
    assert rows["dice", "mean"]["held_out"]["value"] == pytest.approx(0.92)
    assert rows["hd95_mm", "left_ventricle"]["drop"] == {"value": 3.0, "low": 3.0, "high": 3.0, "patients": 5}


def test_a_patient_with_two_rows_counts_once() -> None:
    own = patients("h", [0.9, 0.9], 2.0)
    twice = pd.concat([patients("e", [0.8, 0.6], 5.0), patients("e", [0.8], 5.0)])
    row = structure_drops(own, twice, ("left_ventricle",), PARAMS)[0]
    assert row["external"]["value"] == pytest.approx(0.7)
    assert row["external"]["patients"] == 2
    assert np.isfinite(row["drop"]["low"])


def test_nothing_in_common_gives_no_rows() -> None:
    assert (
        structure_drops(
            pd.DataFrame({"patient_id": []}), patients("e", [0.8], 1.0), ("left_ventricle",), PARAMS
        )
        == []
    )


FINDINGS = ("emphysema", "nodule", "hernia", "mass")


def chests(prefix: str, n: int, *, noise: float, seed: int) -> pd.DataFrame:
    """Emphysema and nodule in a third; hernia in one patient; nobody asked for a mass."""
    generator = np.random.default_rng(seed)
    table = pd.DataFrame({"patient_id": [f"{prefix}{i}" for i in range(n)]})
    for name in FINDINGS[:3]:
        truth = (np.arange(n) == 0 if name == "hernia" else generator.random(n) < 0.35).astype(np.float64)
        logit = generator.normal(3 * truth - 1.5, noise)
        table[f"truth_{name}"], table[f"probability_{name}"] = truth, 1 / (1 + np.exp(-logit))
    return table.assign(truth_mass=np.nan, probability_mass=0.5)


def test_finding_drops_are_differences_of_scikit_learns_values() -> None:
    own, other = chests("h", 60, noise=1.0, seed=0), chests("e", 40, noise=3.0, seed=1)
    rows = {
        (row["metric"], row["label"]): row
        for row in finding_drops(own, other, FINDINGS, {"emphysema": 0.3}, PARAMS)
    }
    assert {name for _, name in rows} == {"macro", "weighted", "emphysema", "nodule"}

    def area(table: pd.DataFrame, name: str) -> float:
        return float(reference.roc_auc_score(table[f"truth_{name}"], table[f"probability_{name}"]))

    def share_right(table: pd.DataFrame, name: str) -> float:
        level = 0.3 if name == "emphysema" else 0.5
        return float(reference.f1_score(table[f"truth_{name}"], table[f"probability_{name}"] >= level))

    for metric, value in (("auroc", area), ("f1", share_right)):
        gaps = [value(own, name) - value(other, name) for name in ("emphysema", "nodule")]
        assert rows[metric, "emphysema"]["drop"]["value"] == pytest.approx(gaps[0], abs=1e-6)
        assert rows[metric, "macro"]["drop"]["value"] == pytest.approx(np.mean(gaps), abs=1e-6)
    area_row = rows["auroc", "macro"]
    assert area_row["drop"]["patients"] == 100
    assert area_row["drop"]["low"] > 0.0  # noise of 3 is worse, clearly
    for side in ("held_out", "external"):
        error = rows["ece", "macro"][side]
        assert 0.0 <= error["low"] <= error["value"] <= error["high"]
    assert rows["ece", "macro"]["drop"]["value"] == pytest.approx(
        rows["ece", "macro"]["external"]["value"] - rows["ece", "macro"]["held_out"]["value"], abs=2e-6
    )


def test_a_finding_of_one_patient_is_judged_on_neither_side() -> None:
    own, other = chests("h", 30, noise=1.0, seed=0), chests("e", 30, noise=1.0, seed=1)
    own = own.assign(truth_hernia=own["truth_nodule"])
    labels = {row["label"] for row in finding_drops(own, other, FINDINGS, {}, PARAMS)}
    assert "hernia" not in labels
    assert finding_drops(own.iloc[:0], other, FINDINGS, {}, PARAMS) == []
    assert finding_drops(pd.DataFrame({"patient_id": []}), other, FINDINGS, {}, PARAMS) == []


def test_reconstructions_of_a_patient_count_as_one_patient() -> None:
    own, other = chests("h", 30, noise=1.0, seed=0), chests("e", 30, noise=2.0, seed=1)
    often = pd.concat([other, *[other.iloc[:3]] * 9])
    for once, many in zip(
        finding_drops(own, other, FINDINGS, {}, PARAMS), finding_drops(own, often, FINDINGS, {}, PARAMS),
        strict=True,
    ):  # fmt: skip
        assert many["external"]["value"] == pytest.approx(once["external"]["value"], abs=2e-6)
        assert many["external"]["patients"] == 30
