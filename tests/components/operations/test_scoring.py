from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import pytest

from components.cohort.task import Task
from components.errors import InputError
from components.models.prediction import CineAnswer, FramePrediction, LoadFrame, frame_by_frame
from components.operations.scoring import score_cases
from components.scorecard.predicted_quality import PredictedQuality, fit_quality
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

GRID = Geometry.axis_aligned((4, 8, 8), (1.0, 1.0, 1.0))


class ThresholdPredictor:
    """Labels what is above 0 HU; refuses frames whose first voxel is 3000 HU."""

    task: Task = "segmentation"
    label_names = ("left_ventricle",)

    def predict(self, volume: Volume) -> FramePrediction:
        if volume.voxels_hu[0, 0, 0] == 3000:
            raise RuntimeError("network failed")
        labels = (volume.voxels_hu > 0).astype(np.uint8)
        return FramePrediction(
            labels=LabelMap(labels=labels, geometry=volume.geometry, names={1: "left_ventricle"}),
            probabilities={},
            uncertainty=0.25,
            embedding=np.arange(3, dtype=np.float32),
            outputs={"left_ventricle_ml": float(labels.sum())},
        )


class RotatedCine(ThresholdPredictor):
    """Takes a case in one call and answers for its first frame last."""

    def __init__(self) -> None:
        self.calls = 0

    def predict_cine(self, frames: Iterable[LoadFrame]) -> Iterator[CineAnswer]:
        self.calls += 1
        answers = list(frame_by_frame(self.predict, frames))
        yield from [*answers[1:], answers[0]]


def frame(case: str, phase: float) -> dict[str, object]:
    return {
        "frame_id": f"{case}__phase-{phase:03.0f}",
        "case_id": case,
        "patient_id": f"p-{case}",
        "batch": "one",
        "phase_percent": phase,
        "site": "north",
        "kvp": 120.0,
    }


def cine(phases: int, case: str = "a") -> pd.DataFrame:
    return pd.DataFrame([frame(case, 10.0 * i) for i in reversed(range(phases))])


def load(name: str) -> Volume:
    """The heart fills the first (phase / 10 + 1) columns."""
    voxels = np.full(GRID.shape, -200, dtype=np.int16)
    voxels[:, :, : int(name[-3:]) // 10 + 1] = 100
    return Volume(voxels_hu=voxels, geometry=GRID)


def test_columns_and_copied_metadata() -> None:
    table = score_cases(ThresholdPredictor(), cine(2), load)
    assert list(table["embedding_002"]) == [2.0, 2.0]
    assert list(table["meta_site"]) == ["north", "north"]
    assert list(table["output_left_ventricle_ml"]) == [32.0, 64.0]
    assert (table["uncertainty"] == 0.25).all()
    assert {"frame_id", "case_id", "patient_id", "batch", "phase_percent", "image_noise_hu"} <= set(table)


def test_temporal_jump_is_cyclic_and_in_phase_order() -> None:
    table = score_cases(ThresholdPredictor(), cine(3), load).set_index("phase_percent")
    dice = {(1, 2): 2 / 3, (2, 3): 4 / 5, (1, 3): 1 / 2}
    expected = [
        1 - (dice[1, 2] + dice[1, 3]) / 2,
        1 - (dice[1, 2] + dice[2, 3]) / 2,
        1 - (dice[2, 3] + dice[1, 3]) / 2,
    ]
    np.testing.assert_allclose(table["temporal_jump"].sort_index(), expected)


def test_single_frames_have_no_jump() -> None:
    frames = pd.concat([cine(1, "a"), cine(1, "b")])
    assert score_cases(ThresholdPredictor(), frames, load)["temporal_jump"].isna().all()


@pytest.mark.parametrize("failure", ["read", "network"])
def test_one_bad_frame_never_stops_the_others(failure: str) -> None:
    def failing(name: str) -> Volume:
        if not name.endswith("010"):
            return load(name)
        if failure == "read":
            raise InputError(expected="a frame", got="rubbish", hint="nothing")
        return Volume(voxels_hu=np.full(GRID.shape, 3000, dtype=np.int16), geometry=GRID)

    errors: list[str] = []
    table = score_cases(
        ThresholdPredictor(), cine(4), failing, on_error=lambda name, error: errors.append(name)
    )
    assert errors == ["a__phase-010"]
    assert list(table["phase_percent"]) == [0.0, 20.0, 30.0]
    assert table["temporal_jump"].notna().all()


def test_a_fault_in_the_callback_is_not_swallowed() -> None:
    def broken(name: str, prediction: FramePrediction) -> None:
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        score_cases(ThresholdPredictor(), cine(2), load, on_prediction=broken)


def test_progress_counts_every_frame_and_an_empty_batch_gives_an_empty_table() -> None:
    seen: list[tuple[int, int]] = []
    score_cases(ThresholdPredictor(), cine(3), load, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    empty = score_cases(ThresholdPredictor(), cine(3).iloc[:0], load)
    assert len(empty) == 0
    assert "uncertainty" in empty


def test_a_cine_is_one_call_and_gives_the_table_of_its_frames() -> None:
    def load_or_fail(name: str) -> Volume:
        if name == "b__phase-020":
            raise InputError(expected="a frame", got="rubbish", hint="nothing")
        return load(name)

    frames = pd.concat([cine(4, "a"), cine(4, "b"), cine(1, "c")])
    predictor = RotatedCine()
    errors: list[str] = []
    together = score_cases(predictor, frames, load_or_fail, on_error=lambda name, _: errors.append(name))
    alone = score_cases(ThresholdPredictor(), frames, load_or_fail)
    assert predictor.calls == 2
    assert errors == ["b__phase-020"]
    pd.testing.assert_frame_equal(together, alone)


class KnowingPredictor(ThresholdPredictor):
    """Measures an entropy of its own and has learned from judged cases."""

    def __init__(self, quality: PredictedQuality | None) -> None:
        self.quality = quality

    def predict(self, volume: Volume) -> FramePrediction:
        columns = float((volume.voxels_hu[0, 0] > 0).sum())
        answer = super().predict(volume)
        return dataclasses.replace(answer, signals={"predictive_entropy": columns / 10}, sets={"x": "either"})


def learned() -> PredictedQuality:
    entropies = np.linspace(0.05, 0.6, 20)
    fit = fit_quality(
        [[{"predictive_entropy": float(value)}] for value in entropies],
        (1.0 - entropies).tolist(),
        [f"q{i}" for i in range(20)],
    )
    assert fit is not None
    return fit


def test_signals_sets_and_the_quality_of_the_whole_case_are_in_every_row() -> None:
    fit = learned()
    table = score_cases(KnowingPredictor(fit), cine(3), load)
    assert list(table["predictive_entropy"]) == [0.1, 0.2, 0.3]
    assert list(table["set_x"]) == ["either"] * 3
    estimate = fit.estimate([{"predictive_entropy": 0.2}])
    assert estimate is not None
    assert table["predicted_quality"].to_numpy() == pytest.approx([estimate.value] * 3)
    assert table["predicted_quality_low"].to_numpy() == pytest.approx([estimate.low] * 3)
    assert table["predicted_quality_high"].to_numpy() == pytest.approx([estimate.high] * 3)


def test_a_version_that_too_few_patients_have_judged_foretells_nothing() -> None:
    assert "predicted_quality" not in score_cases(KnowingPredictor(None), cine(2), load)
    assert "predicted_quality" not in score_cases(ThresholdPredictor(), cine(2), load)


def test_the_teacher_is_compared_where_it_has_a_label() -> None:
    """The student fills the first columns of 32 voxels each; the teacher one column, in the second frame only."""
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[:, :, :1] = 1

    def pseudo(name: str) -> LabelMap | None:
        label_map = LabelMap(labels=labels, geometry=GRID, names={1: "left_ventricle"})
        return label_map if name.endswith("010") else None

    table = score_cases(ThresholdPredictor(), cine(2), load, pseudo=pseudo)
    assert table["student_teacher_dice"].isna().tolist() == [True, False]
    assert table["student_teacher_dice"].iloc[1] == pytest.approx(2 * 32 / (64 + 32))
    assert table["foreground_ml"].iloc[1] == pytest.approx(32 / 1000)
    assert "student_teacher_dice" not in score_cases(ThresholdPredictor(), cine(2), load)
