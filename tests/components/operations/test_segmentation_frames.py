"""Expert labels that cannot judge are refused with a reason, and the batch goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from components.errors import InputError, ParameterError
from components.operations.evaluate_segmentation import evaluate_segmentation
from components.operations.evaluation import Evaluation, IntervalParams
from components.operations.segmentation_frames import tolerance_of
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap
from tests.components.operations.model_fakes import NAMES, Segmenter, cine_frames, truth_of

PARAMS = IntervalParams(seed=0, draws=100, level=0.95)
BAD = "case00__phase-000"


def with_bad_label(bad: Callable[[LabelMap], LabelMap], model: Segmenter | None = None) -> Evaluation:
    """Three patients with two frames; ``bad`` spoils the first frame's truth."""
    frames, load = cine_frames(3, phases=2)

    def expert(name: str) -> LabelMap:
        truth = truth_of(load(name))
        return bad(truth) if name == BAD else truth

    return evaluate_segmentation(model or Segmenter(), frames, load, expert, PARAMS)


def on_another_grid(truth: LabelMap) -> LabelMap:
    grid = Geometry.axis_aligned(truth.geometry.shape, (4.0, 2.0, 2.1))
    return LabelMap(labels=truth.labels, geometry=grid, names=truth.names)


def renamed(truth: LabelMap, names: Mapping[int, str]) -> LabelMap:
    return LabelMap(labels=truth.labels, geometry=truth.geometry, names=names)


def emptied(truth: LabelMap) -> LabelMap:
    return LabelMap(labels=np.zeros_like(truth.labels), geometry=truth.geometry, names=truth.names)


def unreadable(truth: LabelMap) -> LabelMap:
    raise InputError(expected="a label map", got="a torn file", hint="copying it again")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (on_another_grid, "on one grid"),
        (emptied, "a voxel of left_ventricle"),
        (lambda truth: renamed(truth, {1: "liver", 2: "spleen"}), "a voxel of left_ventricle"),
        (unreadable, "torn file"),
    ],
)
def test_refused_and_the_batch_goes_on(bad: Callable[[LabelMap], LabelMap], reason: str) -> None:
    found = with_bad_label(bad).metrics
    assert [item["frame_id"] for item in found["expert_labels_refused"]] == [BAD]
    assert reason in found["expert_labels_refused"][0]["reason"]
    assert found["frames"] == 5
    assert found["patients"] == 3


def test_a_label_is_refused_where_the_model_failed_too() -> None:
    found = with_bad_label(emptied, Segmenter(fails_on=(0,))).metrics
    assert [item["frame_id"] for item in found["expert_labels_refused"]] == [BAD]
    assert (found["frames"], found["frames_failed"]) == (5, 2)


def test_a_structure_that_the_model_does_not_know_does_not_judge_it() -> None:
    found = with_bad_label(lambda truth: renamed(truth, {1: "left_ventricle", 2: "liver"})).metrics
    assert found["structures_unknown_to_model"] == ["liver"]
    assert set(found["dice"]) == {"mean", "left_ventricle", "aorta"}
    assert found["dice"]["mean"]["value"] == 1.0


def test_a_structure_that_nobody_drew_does_not_judge() -> None:
    frames, load = cine_frames(3, phases=2)

    def expert(name: str) -> LabelMap:
        truth = truth_of(load(name))
        only = np.where(truth.labels == 1, 1, 0).astype(np.uint8)
        return LabelMap(labels=only, geometry=truth.geometry, names=NAMES)

    found = evaluate_segmentation(Segmenter(), frames, load, expert, PARAMS).metrics
    assert found["structures_not_drawn"] == ["aorta"]
    assert found["dice"].keys() == {"mean", "left_ventricle"}
    assert found["dice"]["mean"]["value"] == 1.0


def test_signs_and_sizes_of_volume_errors() -> None:
    """The expert draws the ventricle one slice thicker along x than the model finds it."""
    frames, load = cine_frames(2, phases=2)

    def expert(name: str) -> LabelMap:
        truth = truth_of(load(name))
        labels = truth.labels.copy()
        labels[:, :, 1:][(truth.labels == 1)[:, :, :-1]] = 1
        return LabelMap(labels=labels, geometry=truth.geometry, names=NAMES)

    found = evaluate_segmentation(Segmenter(), frames, load, expert, PARAMS).metrics
    missing_ml = np.mean([36, 25]) * 4 * 2 * 2 / 1000
    assert found["volume_bias_ml"]["left_ventricle"]["value"] == pytest.approx(-missing_ml, abs=1e-6)
    assert found["volume_error_ml"]["left_ventricle"]["value"] == pytest.approx(missing_ml, abs=1e-6)
    share = np.mean([36 / 252, 25 / 150])
    assert found["volume_bias_relative"]["left_ventricle"]["value"] == pytest.approx(-share, abs=1e-6)
    bias = (1 - 125 / 216) - (1 - 150 / 252)
    assert found["ejection_fraction_error"]["bias"]["value"] == pytest.approx(bias, abs=1e-6)
    assert found["ejection_fraction_error"]["mean_absolute"]["value"] == pytest.approx(abs(bias), abs=1e-6)


def test_tolerances_by_structure() -> None:
    assert tolerance_of("aorta", {"aorta": 1.0, "*": 3.0}) == 1.0
    assert tolerance_of("myocardium", {"aorta": 1.0, "*": 3.0}) == 3.0
    with pytest.raises(ParameterError, match="myocardium"):
        tolerance_of("myocardium", {"aorta": 1.0})


def test_a_wider_tolerance_forgives_a_shift() -> None:
    frames, load = cine_frames(3, phases=2)

    def surface_dice(tolerance: float) -> float:
        found = evaluate_segmentation(
            Segmenter(shift=1), frames, load, lambda f: truth_of(load(f)), PARAMS,
            surface_tolerance_mm={"*": tolerance},
        )  # fmt: skip
        return float(found.metrics["surface_dice"]["left_ventricle"]["value"])

    assert surface_dice(2.0) == 1.0
    assert surface_dice(0.5) < 1.0
