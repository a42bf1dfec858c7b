"""Cines with gaps, failures and phases in any order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.metrics.cardiac_cycle import consecutive_dice, volume_curves_ml
from components.metrics.temporal_consistency import temporal_roughness
from components.operations.evaluate_segmentation import evaluate_segmentation
from components.operations.evaluation import Evaluation, IntervalParams
from components.operations.segmentation_cycles import cycle_table
from tests.components.operations.model_fakes import Segmenter, cine_frames, truth_of

PARAMS = IntervalParams(seed=0, draws=100, level=0.95)


def judged(frames: pd.DataFrame, load, model: Segmenter | None = None) -> Evaluation:  # type: ignore[no-untyped-def]
    return evaluate_segmentation(model or Segmenter(), frames, load, lambda f: truth_of(load(f)), PARAMS)


def test_equal_to_the_metrics_of_the_label_maps() -> None:
    frames, load = cine_frames(2, phases=5)
    found = judged(frames, load)
    maps = [truth_of(load(name)) for name in frames["frame_id"][:5]]
    curve = volume_curves_ml(maps)["left_ventricle"]
    temporal = found.metrics["temporal"]
    assert temporal["roughness"]["left_ventricle"]["value"] == pytest.approx(
        temporal_roughness(curve), abs=1e-6
    )
    assert temporal["expert_roughness"] == temporal["roughness"]
    dice = found.metrics["consecutive_dice"]["left_ventricle"]["value"]
    assert dice == pytest.approx(consecutive_dice(maps)["left_ventricle"].mean(), abs=1e-6)
    assert found.metrics["consecutive_dice"]["mean"]["value"] == pytest.approx((1 + dice) / 2, abs=1e-6)
    assert (temporal["cycles"], temporal["cycles_with_gaps"], temporal["cycles_without_even_phases"]) == (
        2,
        0,
        0,
    )
    assert "proves nothing" in temporal["warning"]


def test_rows_in_any_order_give_the_same() -> None:
    frames, load = cine_frames(2, phases=5)
    shuffled = frames.sample(frac=1.0, random_state=3)
    assert judged(shuffled, load).metrics == judged(frames, load).metrics


def test_a_missing_phase_is_a_gap_and_its_sides_are_no_neighbours() -> None:
    frames, load = cine_frames(1, phases=5)
    missing = frames.drop(index=2)
    found = judged(missing, load)
    assert found.metrics["temporal"]["cycles_with_gaps"] == 1
    assert found.metrics["temporal"]["total_variation"]["left_ventricle"]["value"] is None
    pairs = [(6, 5), (3, 2), (2, 6)]
    expected = np.mean([2 * min(a, b) ** 3 / (a**3 + b**3) for a, b in pairs])
    dice = found.metrics["consecutive_dice"]["left_ventricle"]["value"]
    assert dice == pytest.approx(expected, abs=1e-6)


def test_a_frame_that_failed_is_a_gap_too() -> None:
    frames, load = cine_frames(1, phases=5)
    failing = frames["frame_id"].iloc[1]

    def broken(name: str):  # type: ignore[no-untyped-def]
        if name == failing:
            raise OSError("cut short")
        return load(name)

    found = evaluate_segmentation(Segmenter(), frames, broken, lambda f: truth_of(load(f)), PARAMS)
    assert found.metrics["temporal"]["cycles_with_gaps"] == 1
    assert found.metrics["frames_failed"] == 1
    assert found.metrics["dice"]["left_ventricle"]["value"] == pytest.approx(4 / 5)
    assert found.metrics["surface_dice"]["left_ventricle"]["value"] == pytest.approx(4 / 5)
    assert found.metrics["volume_error_ml"]["left_ventricle"]["value"] == 0.0
    assert found.metrics["ejection_fraction_error"]["bias"]["value"] is None


def test_a_closing_frame_stands_for_the_first_beside_the_last() -> None:
    case = {"case_id": "c", "patient_id": "p"}
    frames = pd.DataFrame(
        [
            {**case, "frame_id": name, "phase_percent": phase}
            for name, phase in (("a", 0), ("b", 50), ("z", 100))
        ]
    )
    pairs = [
        {"first": first, "second": second, "dice": {"heart": dice}}
        for first, second, dice in (("a", "b", 0.8), ("b", "z", 0.6), ("z", "a", 1.0))
    ]
    (row,) = cycle_table(frames, pairs).to_dict("records")
    assert row["consecutive_dice_heart"] == pytest.approx((0.8 + 0.6) / 2)


def test_uneven_phases_are_said_and_not_measured() -> None:
    frames, load = cine_frames(1, phases=4)
    frames["phase_percent"] = [0.0, 5.0, 20.0, 50.0]
    temporal = judged(frames, load).metrics["temporal"]
    assert temporal["cycles_without_even_phases"] == 1
    assert temporal["roughness"]["left_ventricle"]["value"] is None


def test_without_cines_there_are_no_cycles() -> None:
    frames, load = cine_frames(3, phases=1)
    temporal = judged(frames, load).metrics["temporal"]
    assert temporal["cycles"] == 0
    assert cycle_table(pd.DataFrame(columns=["case_id"]), []).empty
