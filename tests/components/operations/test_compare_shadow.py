"""Agreement by hand, and differences with their sign."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.models.prediction import FramePrediction
from components.operations.compare_shadow import COMPARED, call_agreement, label_agreement, shadow_summary
from components.operations.evaluation import IntervalParams
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

GRID = Geometry.axis_aligned((1, 2, 4), (1.0, 1.0, 1.0))
INTERVALS = IntervalParams(seed=0, draws=200, level=0.95)


def drawn(*values: int) -> FramePrediction:
    labels = np.array(values, dtype=np.uint8).reshape(GRID.shape)
    return FramePrediction(
        labels=LabelMap(labels=labels, geometry=GRID, names={1: "aorta", 2: "left_ventricle"}),
        probabilities={}, uncertainty=0.1, embedding=np.zeros(1, dtype=np.float32), outputs={},
    )  # fmt: skip


def test_labels_agree_by_their_mean_dice() -> None:
    one = drawn(1, 1, 1, 1, 2, 2, 0, 0)
    assert label_agreement(one, one) == 1.0
    assert label_agreement(drawn(*[0] * 8), drawn(*[0] * 8)) == 1.0
    other = drawn(1, 1, 0, 0, 2, 2, 0, 0)
    assert label_agreement(one, other) == label_agreement(other, one) == pytest.approx((2 / 3 + 1) / 2)
    assert label_agreement(one, drawn(*[0] * 8)) == 0.0


def test_calls_agree_at_each_versions_own_thresholds() -> None:
    champion = {"output_emphysema": 0.6, "output_lung_nodule": 0.2, "uncertainty": 0.3}
    shadow = {"output_emphysema": 0.4, "output_lung_nodule": 0.1, "output_other": 0.9}
    assert call_agreement(champion, shadow, ({}, {})) == 0.5
    assert call_agreement(champion, shadow, ({}, {"emphysema": 0.3})) == 1.0
    assert np.isnan(call_agreement({"uncertainty": 0.3}, shadow, ({}, {})))


def test_differences_are_the_shadows_less_the_champions_and_patients_count_once() -> None:
    rows = [
        ("a", "p0", "one", 1.0, 0.2, 0.1),
        ("b", "p0", "one", 0.0, 0.2, 0.1),
        ("c", "p1", "two", 0.8, 0.4, 0.1),
    ]
    compared = pd.DataFrame(rows, columns=list(COMPARED))
    returned = pd.DataFrame({"patient_id": ["p1"], "quality_champion": [0.7], "quality_shadow": [0.9]})
    found = shadow_summary(compared, returned, INTERVALS)
    assert found["agreement"]["value"] == pytest.approx((0.5 + 0.8) / 2)
    assert found["agreement"]["patients"] == 2
    assert found["uncertainty_difference"]["value"] == pytest.approx((-0.1 - 0.3) / 2)
    assert found["returned"]["quality_difference"]["value"] == pytest.approx(0.2)
    assert (found["cases"], found["batches"], found["returned_cases"]) == (3, ["one", "two"], 1)


def test_nothing_compared_is_nothing_known() -> None:
    empty = pd.DataFrame(columns=list(COMPARED))
    returned = pd.DataFrame(columns=["patient_id", "quality_champion", "quality_shadow"])
    found = shadow_summary(empty, returned, INTERVALS)
    assert found["agreement"] is None
    assert found["returned"]["quality_difference"] is None
