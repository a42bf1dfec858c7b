from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.operations.evaluation import IntervalParams
from components.operations.subgroups import patient_means, subgroups

PARAMS = IntervalParams(seed=0, draws=200, level=0.95)
DICE = patient_means({"dice": "dice_mean"}, PARAMS)


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Six patients of two sites, two frames each; one maker; kernels unknown."""
    rows = []
    for patient in range(6):
        for phase, value in ((0.0, 0.9), (60.0, 0.5)):
            rows.append(
                {
                    "frame_id": f"f{patient}-{phase:g}",
                    "patient_id": f"p{patient}",
                    "phase_percent": phase,
                    "dice_mean": value - 0.1 * (patient % 2),
                    "site": "north" if patient % 2 else "south",
                    "manufacturer": "maker",
                    "kernel": "",
                }
            )
    table = pd.DataFrame(rows)
    return table[["frame_id", "patient_id", "phase_percent", "dice_mean"]], table


def test_groups_that_divide() -> None:
    judged, frames = tables()
    rows = subgroups(judged, frames, DICE)
    found = {(row["column"], row["value"]): row["dice"]["value"] for row in rows}
    assert found == {
        ("site", "north"): pytest.approx(0.6),
        ("site", "south"): pytest.approx(0.7),
        ("phase", "0 to 25 %"): pytest.approx(0.85),
        ("phase", "50 to 75 %"): pytest.approx(0.45),
    }
    assert {row["patients"] for row in rows} == {3, 6}


def test_a_patient_counts_once() -> None:
    judged, frames = tables()
    many = pd.concat([judged, judged[judged["patient_id"] == "p0"].assign(frame_id="again")])
    rows = subgroups(many, frames, DICE)
    south = next(row for row in rows if row["value"] == "south")
    assert south["dice"] == {**south["dice"], "value": 0.7, "patients": 3}


def test_nothing_known_gives_nothing() -> None:
    judged, frames = tables()
    unknown = frames.assign(site="", phase_percent=float("nan"))
    assert subgroups(judged.assign(phase_percent=float("nan")), unknown, DICE) == []
    assert subgroups(judged.iloc[:0], frames, DICE) == []


def test_batch_scanner_sex_and_age_divide_where_they_are_known() -> None:
    judged, frames = tables()
    number = frames["patient_id"].str[1:].astype(int)
    frames = frames.assign(
        batch=np.where(number < 4, "one", "two"),
        model=np.where(number < 2, "A", ""),
        sex=np.where(number % 2 == 0, "F", "M"),
        age_years=number.map({0: 17.9, 1: 18.0, 2: 64.0, 3: 65.0, 4: 90.0, 5: float("nan")}),
    )
    rows = subgroups(judged, frames, DICE, min_patients=3)
    found = {(row["column"], row["value"]): (row["patients"], row["judged"]) for row in rows}
    assert found["batch", "one"] == (4, True)
    assert found["batch", "two"] == (2, False)
    assert found["sex", "F"] == (3, True)
    ages = {value: patients for (column, value), (patients, _) in found.items() if column == "age"}
    assert ages == {"under 18": 1, "18 to 39": 1, "40 to 64": 1, "65 and over": 2}
    assert not any(column == "model" for column, _ in found)


def test_a_small_group_is_named_and_not_judged() -> None:
    judged, frames = tables()
    rows = subgroups(judged, frames.assign(site=["a"] * 10 + ["b"] * 2), DICE)
    small = next(row for row in rows if row["value"] == "b")
    assert small == {"column": "site", "value": "b", "patients": 1, "judged": False}
