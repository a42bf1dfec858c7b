from __future__ import annotations

import json

import numpy as np
import pytest

from components.metrics.overlap import dice_per_structure
from components.operations.calibrate import calibrate
from components.operations.evaluate_classification import evaluate_classification
from components.operations.evaluate_segmentation import evaluate_segmentation
from components.operations.evaluation import IntervalParams
from tests.components.operations.model_fakes import (
    Classifier,
    Segmenter,
    chest_frames,
    cine_frames,
    truth_of,
)

PARAMS = IntervalParams(seed=0, draws=200, level=0.95)


def test_a_perfect_segmenter() -> None:
    frames, load = cine_frames(6)
    result = evaluate_segmentation(Segmenter(), frames, load, lambda f: truth_of(load(f)), PARAMS)
    dice = result.metrics["dice"]
    assert dice["mean"] == {"value": 1.0, "low": 1.0, "high": 1.0, "patients": 6}
    assert result.metrics["hd95_mm"]["left_ventricle"]["value"] == 0.0
    assert result.metrics["ejection_fraction_error"]["mean_absolute"]["value"] == 0.0
    assert result.metrics["frames"] == len(result.reference) == 18
    ejection = result.per_patient["ejection_fraction_predicted"]
    assert ejection.to_numpy() == pytest.approx(1 - 4**3 / 6**3)
    consecutive = [2 * 5**3 / (6**3 + 5**3), 2 * 4**3 / (5**3 + 4**3), 2 * 4**3 / (6**3 + 4**3)]
    found = result.metrics["consecutive_dice"]["left_ventricle"]["value"]
    assert found == pytest.approx(np.mean(consecutive), abs=1e-6)
    json.dumps(result.metrics, allow_nan=False)


def test_values_are_means_over_frames_then_patients() -> None:
    frames, load = cine_frames(4)
    model = Segmenter(shift=1)
    result = evaluate_segmentation(model, frames, load, lambda f: truth_of(load(f)), PARAMS)
    per_frame = []
    for frame in frames["frame_id"]:
        labels = model.predict(load(frame)).labels
        assert labels is not None
        per_frame.append(dice_per_structure(labels, truth_of(load(frame)))["left_ventricle"])
    assert result.metrics["dice"]["left_ventricle"]["value"] == pytest.approx(np.mean(per_frame), abs=1e-6)
    assert result.metrics["dice"]["aorta"]["value"] == 1.0
    assert result.metrics["hd95_mm"]["left_ventricle"]["value"] == pytest.approx(2.0)


def test_frames_without_an_expert_are_scored_but_do_not_judge() -> None:
    frames, load = cine_frames(4)

    def expert(frame: str) -> object:
        return truth_of(load(frame)) if frame.startswith("case00") else None

    result = evaluate_segmentation(Segmenter(), frames, load, expert, PARAMS)  # type: ignore[arg-type]
    assert len(result.reference) == 12
    assert result.metrics["frames"] == 3
    assert result.metrics["dice"]["mean"] == {"value": 1.0, "low": None, "high": None, "patients": 1}
    nobody = evaluate_segmentation(Segmenter(), frames, load, lambda f: None, PARAMS)
    assert nobody.metrics["patients"] == 0
    assert len(nobody.reference) == 12


def test_a_frame_on_which_the_model_fails_counts_as_missed() -> None:
    frames, load = cine_frames(4)
    model = Segmenter(fails_on=(2,))
    result = evaluate_segmentation(model, frames, load, lambda f: truth_of(load(f)), PARAMS)
    assert result.metrics["frames_failed"] == 3
    assert result.metrics["dice"]["mean"]["value"] == pytest.approx(0.75)


def test_a_classifier_that_knows_one_finding() -> None:
    frames, load, truth = chest_frames(20)
    model = Classifier(odd=0.8, even=0.1)
    result = evaluate_classification(model, frames, load, truth, {"emphysema": 0.5}, PARAMS)
    assert result.metrics["auroc"]["emphysema"]["value"] == 1.0
    assert result.metrics["auroc"]["atelectasis"]["value"] is None
    assert result.metrics["auroc"]["macro"]["value"] == 1.0
    assert result.metrics["brier"]["emphysema"]["value"] == pytest.approx((0.2**2 + 0.1**2) / 2)
    assert result.metrics["f1"]["emphysema"]["value"] == 1.0
    assert result.metrics["cases"] == len(result.reference) == 20
    json.dumps(result.metrics, allow_nan=False)


def test_cases_without_truth_do_not_judge() -> None:
    frames, load, truth = chest_frames(20)
    result = evaluate_classification(Classifier(odd=0.8, even=0.1), frames, load, truth.iloc[:0], {}, PARAMS)
    assert result.metrics["cases"] == 0
    assert len(result.reference) == 20


def test_training_patients_never_sharpen_a_model() -> None:
    generator = np.random.default_rng(0)
    truth = (generator.random((200, 2)) < 0.5).astype(np.float64)
    timid = np.clip(0.5 + 0.1 * (truth - 0.5), 0, 1)
    truth[:, 1] = np.nan
    seen = calibrate(("a", "b"), truth, timid, seen_in_training=True)
    assert seen.temperature["a"] == pytest.approx(1.0, abs=1e-3)
    assert (seen.temperature["b"], seen.thresholds["b"], seen.positives["b"]) == (1.0, 0.5, 0)
    unseen = calibrate(("a", "b"), truth, timid, seen_in_training=False)
    assert unseen.temperature["a"] < 0.5
    assert "training" in seen.as_json()["source"]
