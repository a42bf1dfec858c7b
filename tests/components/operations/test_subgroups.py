from __future__ import annotations

import pandas as pd
import pytest

from components.operations.evaluation import IntervalParams
from components.operations.subgroups import subgroups

PARAMS = IntervalParams(seed=0, draws=200, level=0.95)


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
    rows = subgroups(judged, frames, {"dice": "dice_mean"}, PARAMS)
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
    rows = subgroups(many, frames, {"dice": "dice_mean"}, PARAMS)
    south = next(row for row in rows if row["value"] == "south")
    assert south["dice"] == {**south["dice"], "value": 0.7, "patients": 3}


def test_nothing_known_gives_nothing() -> None:
    judged, frames = tables()
    unknown = frames.assign(site="", phase_percent=float("nan"))
    assert subgroups(judged.assign(phase_percent=float("nan")), unknown, {"dice": "dice_mean"}, PARAMS) == []
    assert subgroups(judged.iloc[:0], frames, {"dice": "dice_mean"}, PARAMS) == []
