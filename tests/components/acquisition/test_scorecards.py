from __future__ import annotations

import numpy as np
import pandas as pd

from components.acquisition.scorecards import Scorecards, by_case, worst_case

TABLE = pd.DataFrame(
    {
        "patient_id": ["a", "a", "a", "b", "c"],
        "case_id": ["a1", "a1", "a2", "b1", "c1"],
        "frame_id": ["a1x", "a1y", "a2x", "b1x", "c1x"],
        "uncertainty": [0.2, 0.6, 0.3, 0.9, np.nan],
    }
)


def test_a_case_is_the_mean_or_the_maximum_of_its_frames() -> None:
    assert by_case(TABLE, "uncertainty").to_numpy()[:3].tolist() == [0.4, 0.3, 0.9]
    assert by_case(TABLE, "uncertainty", "max").iloc[0] == 0.6


def test_more_frames_of_the_same_case_change_nothing() -> None:
    twice = pd.concat([TABLE, TABLE.assign(frame_id=TABLE["frame_id"] + "again")])
    pd.testing.assert_series_equal(by_case(TABLE, "uncertainty"), by_case(twice, "uncertainty"))


def test_the_worst_case_of_each_patient() -> None:
    worst = worst_case(by_case(TABLE, "uncertainty"))
    assert worst["case_id"].to_dict() == {"a": "a1", "b": "b1", "c": "c1"}
    assert np.isnan(worst["value"]["c"])


def test_patients_and_cases_are_sorted() -> None:
    cards = Scorecards(pool=TABLE.iloc[::-1])
    assert cards.patients() == ("a", "b", "c")
    assert cards.cases("a") == ["a1", "a2"]
    assert cards.labelled.empty
