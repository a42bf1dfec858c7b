from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from components.acquisition.arm_verdict import ArmVerdict
from components.acquisition.cost_model import MinutesModel
from components.cohort.task import Task
from components.drift.verdict import DriftParams, assess_drift
from components.errors import InputError, ParameterError
from components.models.prediction import FramePrediction
from components.operations.acquire import Acquisition
from components.operations.monitor_window import MonitorParams, WindowReport, monitor_window
from components.operations.request_candidates import chosen_candidates, threshold_candidates
from components.operations.scoring import score_cases
from components.scorecard.reference_threshold import ReferenceThreshold, reference_threshold
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from tests.components.drift.population import scorecards
from tests.components.operations.scored import scored

GRID = Geometry.axis_aligned((4, 10, 10), (2.0, 1.0, 1.0))
CASES = 4
PARAMS = MonitorParams(
    drift=DriftParams(permutations=999),
    budget_minutes={"segmentation": CASES * 60.0, "classification": CASES * 30.0},  # 30 minutes a frame
)


class BrightnessPredictor:
    """Everything it says follows from the mean HU, so that a brighter scanner is a drift."""

    task: Task = "segmentation"
    label_names = ("left_ventricle",)

    def predict(self, volume: Volume) -> FramePrediction:
        mean = float(volume.voxels_hu.mean())
        labels = (volume.voxels_hu > mean).astype(np.uint8)
        return FramePrediction(
            labels=LabelMap(labels=labels, geometry=volume.geometry, names={1: "left_ventricle"}),
            probabilities={},
            uncertainty=float(np.clip(mean / 1000, 0, 1)),
            embedding=np.array([mean, mean**2 / 1000, volume.voxels_hu.std()], dtype=np.float32),
            outputs={"left_ventricle_ml": float(labels.sum()) / 100},
        )


def frames_of(name: str, patients: int, site: str) -> pd.DataFrame:
    rows = [
        {
            "frame_id": f"{name}{i:02d}c__phase-{phase:03d}",
            "case_id": f"{name}{i:02d}c",
            "patient_id": f"{name}{i:02d}",
            "batch": name,
            "phase_percent": float(phase),
            "site": site,
            "kvp": 120.0,
        }
        for i in range(patients)
        for phase in (0, 50)
    ]
    return pd.DataFrame(rows)


def scanner(brightness: float) -> Callable[[str], Volume]:
    def load(frame: str) -> Volume:
        generator = np.random.default_rng(list(frame.encode()))
        patient = np.random.default_rng(list(frame[:3].encode())).normal(0, 20)
        anatomy = np.linspace(-40, 40, GRID.shape[0])[:, None, None]  # slices that follow one another
        voxels = generator.normal(100 + patient + brightness, 30, GRID.shape) + anatomy
        return Volume(voxels_hu=voxels.round().astype(np.int16), geometry=GRID)

    return load


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return score_cases(BrightnessPredictor(), frames_of("r", 14, "north"), scanner(0))


def watch(
    reference: pd.DataFrame,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    cases: int = CASES,
    **more: object,
) -> WindowReport:
    return monitor_window(
        task=BrightnessPredictor.task,
        model_version="ctloop-segmentation/1",
        reference=reference,
        scored=scored(BrightnessPredictor(), frames, load),
        params=replace(PARAMS, budget_minutes={"segmentation": cases * 60.0, "classification": cases * 30.0}),
        **more,  # type: ignore[arg-type]
    )


def test_a_window_like_the_reference_raises_no_drift(reference: pd.DataFrame) -> None:
    report = watch(reference, frames_of("n", 12, "north"), scanner(0))
    assert report.verdict.kind == "no drift"
    assert all(candidate.reason != "drift" for candidate in report.candidates)
    assert report.scorecards["novelty"].median() == pytest.approx(1, abs=0.7)


def test_a_changed_scanner_raises_drift_and_asks_about_its_cases(reference: pd.DataFrame) -> None:
    report = watch(reference, frames_of("s", 12, "south"), scanner(200))
    assert report.verdict.kind == "drift"
    assert report.verdict.strata[0].value == "south"
    assert {"metadata", "embeddings"} <= {c.name for c in report.verdict.channels if c.alarmed}
    drift = [candidate for candidate in report.candidates if candidate.reason == "drift"]
    assert len({candidate.case_id for candidate in drift}) == 2
    assert len({candidate.case_id for candidate in report.candidates}) == CASES
    assert sum(candidate.minutes for candidate in report.candidates) <= CASES * 60.0
    assert all(candidate.measured <= candidate.threshold for candidate in drift)  # type: ignore[operator]
    assert all(candidate.arm == "strategy" and candidate.choice for candidate in drift)
    again = watch(reference, frames_of("s", 12, "south"), scanner(200))
    assert again.candidates == report.candidates


def test_without_a_drift_a_routine_share_is_chosen_to_learn_from(reference: pd.DataFrame) -> None:
    report = watch(reference, frames_of("n", 12, "north"), scanner(0))
    chosen = [candidate for candidate in report.candidates if candidate.reason == "acquisition"]
    assert sum(candidate.minutes for candidate in chosen) == 0.25 * CASES * 60.0
    assert {(one.measured, one.threshold, one.evidence) for one in chosen} == {
        (None, None, "routine share of the batch")
    }
    others = {candidate.patient_id for candidate in report.candidates if candidate.reason != "acquisition"}
    assert not others & {candidate.patient_id for candidate in chosen}


def test_where_the_strategy_does_not_pay_chance_chooses(reference: pd.DataFrame) -> None:
    verdict = ArmVerdict(
        kind="does not pay", n_strategy=20, n_random=9, yield_strategy=0.01, yield_random=0.02, p_value=0.9, alpha=0.2
    )  # fmt: skip
    for share, arms in ((0.2, {"random", "strategy"}), (0.0, {"strategy"})):
        acquisition = Acquisition(arms=verdict, shadow_share=share)
        report = watch(
            reference, frames_of("s", 40, "south"), scanner(200), acquisition=acquisition, cases=10
        )
        found = [one.arm for one in report.candidates if one.reason == "drift"]
        assert set(found) <= arms
        assert (found.count("random") > found.count("strategy")) == (share > 0)
        assert ("chance leads" in report.acquisition.words()) == (share > 0)


def test_findings_are_asked_for_once_per_case(
    reference: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BrightnessPredictor, "task", "classification")
    report = watch(reference, frames_of("s", 12, "south"), scanner(200))
    assert {"drift", "uncertainty"} == {candidate.reason for candidate in report.candidates}
    assert len(report.candidates) == len({candidate.case_id for candidate in report.candidates})


def test_a_small_window_is_not_enough_evidence_but_unusual_frames_are_asked_about(
    reference: pd.DataFrame,
) -> None:
    report = watch(reference, frames_of("s", 2, "south"), scanner(300))
    assert report.verdict.kind == "not enough evidence"
    assert {candidate.reason for candidate in report.candidates} == {"uncertainty"}
    assert all(candidate.measured > candidate.threshold for candidate in report.candidates)
    assert "14 reference patients" in report.candidates[0].evidence


def test_excluded_and_reference_patients_are_never_asked_about(reference: pd.DataFrame) -> None:
    frames = frames_of("s", 12, "south")
    report = watch(reference, frames, scanner(200), excluded_patients=[f"s{i:02d}" for i in range(10)])
    assert {candidate.patient_id for candidate in report.candidates} == {"s10", "s11"}
    own = watch(reference, frames_of("r", 14, "north"), scanner(400))
    assert own.candidates == ()


def test_unreadable_frames_are_told_and_an_empty_window_is_survived(reference: pd.DataFrame) -> None:
    def broken(frame: str) -> Volume:
        raise InputError(expected="a frame", got="rubbish", hint="ingesting it again")

    report = watch(reference, frames_of("n", 2, "north"), broken)
    assert set(report.failures) == set(frames_of("n", 2, "north")["frame_id"])
    assert (report.verdict.kind, report.candidates) == ("not enough evidence", ())


def test_each_frame_is_asked_for_its_strongest_reason() -> None:
    table = scorecards(3, np.random.default_rng(0), frames=4)
    table["uncertainty"], table["temporal_jump"] = 0.1, 0.1
    table.loc[1, ["uncertainty", "temporal_jump"]] = [0.3, 0.9]
    table.loc[6, "uncertainty"] = 0.5
    thresholds = [
        ReferenceThreshold(column=c, value=0.2, rank=9, n=9) for c in ("uncertainty", "temporal_jump")
    ]
    found = threshold_candidates(
        table, thresholds, minutes=MinutesModel(base=30.0), budget_minutes=300.0, frames_per_case=2
    )
    assert [(one.frame_id, one.reason) for one in found] == [
        (table["frame_id"][1], "temporal_jump"),
        (table["frame_id"][6], "uncertainty"),
    ]


def test_drift_candidates_come_from_the_drifted_stratum_alone() -> None:
    generator = np.random.default_rng(0)
    reference = scorecards(14, generator)
    window = scorecards(16, generator, name="w", new_site=0.7)
    verdict = assess_drift(reference, window, DriftParams(permutations=999))
    assert verdict.kind == "drift"
    found = chosen_candidates(
        Acquisition(),
        window,
        verdict,
        budget_minutes=300.0,
        frames_per_case=2,
        excluded_patients=(),
        generator=generator,
    )
    sites = window.set_index("frame_id")["meta_site"]
    assert {sites[one.frame_id] for one in found} == {"south"}
    assert {one.evidence for one in found} == {"drift of metadata in site south"}


def test_without_metadata_the_cases_that_moved_are_asked_about() -> None:
    """Half of the window has hearts that are far larger; nothing in a header tells."""
    generator = np.random.default_rng(2)
    reference = scorecards(40, generator)
    window = pd.concat(
        [scorecards(12, generator, name="w"), scorecards(18, generator, name="x", output_shift=5.0)]
    )
    hidden = [column for column in window if column.startswith("meta_")]
    reference, window = reference.drop(columns=hidden), window.drop(columns=hidden)
    verdict = assess_drift(reference, window, DriftParams(permutations=999))
    assert verdict.attribution is not None
    assert verdict.attribution.carrier is not None
    found = chosen_candidates(
        Acquisition(), window, verdict, budget_minutes=300.0, frames_per_case=2, excluded_patients=(),
        generator=generator,
    )  # fmt: skip
    assert len(found) > 3
    assert {one.patient_id[0] for one in found} == {"x"}
    assert all(verdict.attribution.carrier.words() in one.evidence for one in found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantile": 1.0},
        {"frames_per_case": 0},
        {"budget_minutes": {"segmentation": 1.0}},
        {"routine_share": 1.1},
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        MonitorParams(**wrong)  # type: ignore[arg-type]


def test_thresholds_are_of_the_reference(reference: pd.DataFrame) -> None:
    report = watch(reference, frames_of("n", 2, "north"), scanner(0))
    assert report.thresholds[0] == reference_threshold(reference, "uncertainty", PARAMS.quantile)
