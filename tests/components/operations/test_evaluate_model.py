from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from components.errors import InputError
from components.metrics.overlap import dice_per_structure
from components.models.prediction import FramePrediction
from components.operations.calibrate import calibrate
from components.operations.evaluate_classification import evaluate_classification
from components.operations.evaluate_segmentation import evaluate_segmentation
from components.operations.evaluation import IntervalParams
from components.operations.finding_scores import METRICS
from components.volume.volume import Volume
from tests.components.operations.model_fakes import (
    Classifier,
    Segmenter,
    chest_frames,
    cine_frames,
    prediction,
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
    assert result.metrics["auroc"].keys() == {"macro", "emphysema"}
    assert result.metrics["findings_not_judged"] == {"atelectasis": {"positives": 0, "negatives": 0}}
    assert result.metrics["findings"] == {"emphysema": {"positives": 10, "negatives": 10}}
    assert result.metrics["auroc"]["macro"]["value"] == 1.0
    assert result.metrics["brier"]["emphysema"]["value"] == pytest.approx((0.2**2 + 0.1**2) / 2)
    assert result.metrics["f1"]["emphysema"]["value"] == 1.0
    assert result.metrics["cases"] == len(result.reference) == 20
    json.dumps(result.metrics, allow_nan=False)


def test_reconstructions_of_one_patient_count_as_one() -> None:
    """Patient 1 has four scans on which the model fails; without weights they would be half of the positives."""
    frames, load, truth = chest_frames(10)
    again = frames[frames["patient_id"] == "p01"]
    copies = [again.assign(frame_id=f"copy{i}", case_id=f"copy{i}") for i in range(3)]
    truth = pd.concat([truth, *[truth.loc[["case01"]].set_axis([f"copy{i}"]) for i in range(3)]])

    def read(frame: str) -> Volume:
        return load("case00" if frame.startswith("copy") or frame == "case01" else frame)

    result = evaluate_classification(
        Classifier(odd=0.8, even=0.1), pd.concat([frames, *copies]), read, truth, {}, PARAMS
    )
    assert (result.metrics["cases"], result.metrics["patients"]) == (13, 10)
    assert result.metrics["sensitivity"]["emphysema"]["value"] == pytest.approx(4 / 5)
    assert result.metrics["accuracy"]["emphysema"]["value"] == pytest.approx(9 / 10)
    # four of five positives win all their pairs, the fifth ties with all
    assert result.metrics["auroc"]["emphysema"]["value"] == pytest.approx(0.9)
    assert result.metrics["f1"]["weighted"] == result.metrics["f1"]["emphysema"]


def test_every_metric_against_scikit_learn() -> None:
    frames, load, truth = chest_frames(40)
    generator = np.random.default_rng(4)
    truth = truth.assign(
        emphysema=(generator.random(40) < 0.4).astype(float),
        atelectasis=np.where(generator.random(40) < 0.2, np.nan, generator.random(40) < 0.3),
    )
    said = {"emphysema": generator.random(40), "atelectasis": generator.random(40)}

    class Told(Classifier):
        def predict(self, volume: Volume) -> FramePrediction:
            place = int(volume.voxels_hu[0, 0, 0])
            return prediction(None, {name: float(values[place]) for name, values in said.items()})

    levels = {"emphysema": 0.3, "atelectasis": 0.6}
    found = evaluate_classification(Told(odd=0, even=0), frames, load, truth, levels, PARAMS).metrics
    f1, support = [], []
    for name, level in levels.items():
        sure = truth[name].notna().to_numpy()
        is_so, p = truth[name].to_numpy()[sure], said[name][sure]
        f1.append(reference.f1_score(is_so, p >= level))
        support.append(is_so.sum())
        expected = {
            "auroc": reference.roc_auc_score(is_so, p),
            "average_precision": reference.average_precision_score(is_so, p),
            "brier": reference.brier_score_loss(is_so, p),
            "f1": f1[-1],
            "accuracy": reference.accuracy_score(is_so, p >= level),
            "sensitivity": reference.recall_score(is_so, p >= level),
            "specificity": reference.recall_score(is_so, p >= level, pos_label=0),
        }
        for metric, value in expected.items():
            assert found[metric][name]["value"] == pytest.approx(value, abs=1e-6)
            assert found[metric][name]["patients"] == sure.sum()
    assert found["f1"]["macro"]["value"] == pytest.approx(np.mean(f1), abs=1e-6)
    assert found["f1"]["weighted"]["value"] == pytest.approx(np.average(f1, weights=support), abs=1e-6)


def test_before_the_temperature() -> None:
    frames, load, truth = chest_frames(20)
    model = Classifier(odd=0.8, even=0.1)
    found = evaluate_classification(model, frames, load, truth, {}, PARAMS, temperature={"emphysema": 0.5})
    plain = [1 / (1 + np.exp(-0.5 * np.log(p / (1 - p)))) for p in (0.8, 0.1)]
    expected = ((1 - plain[0]) ** 2 + plain[1] ** 2) / 2
    before = found.metrics["before_temperature"]
    assert before["brier"]["emphysema"]["value"] == pytest.approx(expected, abs=1e-6)
    assert found.metrics["brier"]["emphysema"]["value"] == pytest.approx((0.2**2 + 0.1**2) / 2)


def test_subgroups_judge_the_findings_that_they_can() -> None:
    frames, load, truth = chest_frames(12)
    frames = frames.assign(kernel=["sharp"] * 9 + ["soft"] * 3)
    model = Classifier(odd=0.8, even=0.1)
    result = evaluate_classification(model, frames, load, truth, {}, PARAMS, min_subgroup_patients=4)
    sharp, soft = (row for row in result.metrics["subgroups"] if row["column"] == "kernel")
    assert (sharp["findings"], sharp["auroc"]["value"], sharp["sensitivity"]["value"]) == (1, 1.0, 1.0)
    assert soft == {"column": "kernel", "value": "soft", "patients": 3, "judged": False}
    lonely = evaluate_classification(model, frames, load, truth, {}, PARAMS)
    soft = next(row for row in lonely.metrics["subgroups"] if row["value"] == "soft")
    assert (soft["judged"], soft["findings"], soft["auroc"]) == (True, 0, None)


def test_what_the_model_does_not_know_and_where_it_failed_is_named() -> None:
    frames, load, truth = chest_frames(6)

    def read(frame: str) -> Volume:
        if frame == "case03":
            raise InputError(expected="a scan", got="none", hint="another")
        return load(frame)

    result = evaluate_classification(
        Classifier(odd=0.8, even=0.1),
        frames,
        read,
        truth.assign(broken_rib=1.0, silicosis=np.nan),
        {},
        PARAMS,
    )
    assert result.metrics["findings_unknown_to_model"] == ["broken_rib"]
    assert (result.metrics["frames_failed"], result.metrics["cases"]) == (1, 5)
    assert result.frames.set_index("frame_id")["failed"].to_dict() == {
        f"case{i:02d}": i == 3 for i in range(6)
    }


def test_subgroups_judge_each_finding_like_the_group_alone() -> None:
    frames, load, truth = chest_frames(24)
    frames = frames.assign(kernel=["sharp"] * 16 + ["soft"] * 8)
    generator = np.random.default_rng(2)
    truth = truth.assign(atelectasis=[np.nan, 1.0] + [0.0] * 13 + [1.0] + [0.0] * 7 + [1.0])
    said = generator.random((24, 2))

    class Told(Classifier):
        def predict(self, volume: Volume) -> FramePrediction:
            return prediction(
                None, dict(zip(self.label_names, said[volume.voxels_hu[0, 0, 0]].tolist(), strict=True))
            )

    model, levels = Told(odd=0, even=0), {"emphysema": 0.4, "atelectasis": 0.6}
    result = evaluate_classification(model, frames, load, truth, levels, PARAMS)
    sharp, soft = (row["by_finding"] for row in result.metrics["subgroups"] if row["column"] == "kernel")
    alone = evaluate_classification(model, frames.head(16), load, truth, levels, PARAMS).metrics
    for name in levels:
        counts = {key: sharp[name][key] for key in ("positives", "negatives")}
        assert (counts, sharp[name]["judged"]) == (alone["findings"][name], True)
        for metric in METRICS:
            assert sharp[name][metric] == alone[metric][name]
    assert soft["atelectasis"] == {"positives": 1, "negatives": 7, "judged": False}
    assert soft["emphysema"]["auroc"]["patients"] == 8
    json.dumps(result.metrics, allow_nan=False)


def test_failed_scans_are_counted_and_bound_what_they_may_hide() -> None:
    """Odd patients have it, all are called but 1; 3 and 5 fail, of 7 one of two scans, and of 2, who has it not."""
    frames, load, truth = chest_frames(12)
    again = frames[frames["patient_id"] == "p07"].assign(frame_id="again", case_id="again")
    truth = pd.concat([truth, truth.loc[["case07"]].set_axis(["again"])])

    def read(frame: str) -> Volume:
        if frame == "again":
            raise OSError(f"/mnt/of/somebody/{frame}.b2nd")
        if frame in ("case02", "case03", "case05"):
            raise InputError(expected=f"the file /srv/a b/{frame}.b2nd", got="none", hint="another")
        return load("case00" if frame == "case01" else frame)

    result = evaluate_classification(
        Classifier(odd=0.8, even=0.1),
        pd.concat([frames, again]),
        read,
        truth.drop(index="case05"),
        {},
        PARAMS,
    )
    failed = result.metrics["failed"]
    assert (failed["scans"], failed["of"], failed["with_findings"]) == (4, 13, 3)
    assert failed["patients_excluded"] == ["p02", "p03"]
    assert failed["patients_in_part"] == ["p07"]
    assert [item["scans"] for item in failed["reasons"]] == [3, 1]
    assert "somebody" not in json.dumps(failed)
    assert "case0" not in json.dumps(failed)
    found = failed["bounds"]["emphysema"]
    assert (found["positives"], found["negatives"]) == (2, 1)
    # 1 missed, 7, 9, 11 called; then 3 lost and half of 7
    assert found["sensitivity"] == {
        "judged": 0.75,
        "worst": pytest.approx(2.5 / 5),
        "best": pytest.approx(4 / 5),
    }
    assert found["specificity"] == {"judged": 1.0, "worst": pytest.approx(5 / 6, abs=1e-6), "best": 1.0}
    assert failed["bounds"].keys() == {"emphysema"}
    assert len(result.per_patient) == 9


def test_when_every_positive_failed_nothing_is_known_of_them() -> None:
    frames, load, truth = chest_frames(6)

    def read(frame: str) -> Volume:
        if int(frame[-1]) % 2:
            raise InputError(expected="a scan", got="none", hint="another")
        return load(frame)

    model = Classifier(odd=0.8, even=0.1)
    failed = evaluate_classification(model, frames, read, truth, {}, PARAMS).metrics["failed"]
    assert failed["bounds"]["emphysema"]["sensitivity"] == {"judged": None, "worst": 0.0, "best": 1.0}
    none = evaluate_classification(model, frames, load, truth, {}, PARAMS).metrics["failed"]
    assert none == {
        "scans": 0, "of": 6, "with_findings": 0, "patients_excluded": [], "patients_in_part": [], "reasons": [],
        "bounds": {},
    }  # fmt: skip


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
