from __future__ import annotations

import math

import numpy as np
import pytest

from components.cohort.structures import HEART_LABELS
from components.errors import ParameterError
from components.operations.doubtful_answers import Agreement, agreement, doubts, widest_gap
from components.scorecard.plausibility import Plausibility
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

GRID = Geometry.axis_aligned((8, 8, 8), (8.0, 8.0, 8.0))
DEMANDED = Plausibility(sides=(("left_atrium", "left", "right_atrium"),))


def heart(*, mirrored: bool = False, moved: int = 0) -> LabelMap:
    values = {name: value for value, name in HEART_LABELS.items()}
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:5, 2 + moved : 5 + moved, 5:7] = values["left_atrium"]
    labels[2:5, 2 + moved : 5 + moved, 1:3] = values["right_atrium"]
    found = labels[:, :, ::-1].copy() if mirrored else labels
    return LabelMap(labels=found, geometry=GRID, names=dict(HEART_LABELS))


def gaps(*values: float) -> list[Agreement]:
    return [Agreement(patient_id=f"p{i}", foretold=value, found=0.0) for i, value in enumerate(values)]


def test_the_widest_gap_is_the_conformal_quantile_of_the_patients_worst_frames() -> None:
    nineteen = gaps(*(i / 100 for i in range(19)))
    assert widest_gap(nineteen, level=0.95) == pytest.approx(0.18)  # rank ceil(20 * 0.95) = 19 of 19
    assert widest_gap(nineteen, level=0.9) == pytest.approx(0.17)
    again = [*nineteen, Agreement(patient_id="p0", foretold=0.9, found=0.0)]
    assert widest_gap(again, level=0.95) == pytest.approx(0.9)


def test_too_few_patients_doubt_nobody() -> None:
    assert widest_gap(gaps(*[0.1] * 18), level=0.95) == math.inf
    with pytest.raises(ParameterError, match="level"):
        widest_gap([], level=1.0)


def test_right_answers_of_exchangeable_patients_are_seldom_doubted() -> None:
    rng = np.random.default_rng(0)
    missed = []
    for _ in range(2000):
        drawn = rng.normal(size=41)
        missed.append(drawn[-1] > widest_gap(gaps(*drawn[:-1]), level=0.9))
    assert np.mean(missed) <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 2000)


def test_agreement_is_the_mean_dice_over_what_either_shows() -> None:
    found = agreement("p", heart(moved=1), heart(), foretold=0.8)
    assert found.found == pytest.approx(2 / 3)  # two of three rows of each structure are shared
    assert found.gap == pytest.approx(0.8 - 2 / 3)


def test_an_answer_is_doubted_for_its_anatomy_or_its_distance_and_else_trusted() -> None:
    close = Agreement(patient_id="p", foretold=0.8, found=0.75)
    far = Agreement(patient_id="p", foretold=0.8, found=0.3)
    assert doubts(heart(), close, demanded=DEMANDED, widest=0.2) == ()
    (distance,) = doubts(heart(), far, demanded=DEMANDED, widest=0.2)
    assert "expected 0.60 or more, got 0.30" in distance
    (side,) = doubts(heart(mirrored=True), close, demanded=DEMANDED, widest=0.2)
    assert "left_atrium lies left of right_atrium" in side
