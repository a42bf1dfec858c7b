from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest

from components.cohort.task import Task
from components.models.prediction import FramePrediction, Predictor
from components.operations.expert_frames import ExpertFrame, ScoreCache, patient_table, score_frames
from components.operations.run_gate import Candidate, run_gate
from components.registry.gate_params import GateParams
from components.registry.verdict import Verdict
from components.volume.volume import LabelMap, Volume
from tests.components.operations.model_fakes import (
    Classifier,
    Segmenter,
    chest_frames,
    cine_frames,
    truth_of,
)
from tests.components.registry.fakes import LedgerInMemory

PARAMS = GateParams(margin=0.03, floor=0.5, draws=500)


def heart_test_set(patients: int = 16) -> list[ExpertFrame]:
    frames, load = cine_frames(patients)
    return [
        ExpertFrame(
            frame_id=row["frame_id"],
            patient_id=row["patient_id"],
            stratum=row["batch"],
            fingerprint=row["frame_id"],
            volume=partial(load, row["frame_id"]),
            expert=partial(lambda name: truth_of(load(name)), row["frame_id"]),
        )
        for row in frames.to_dict("records")
    ]


def chest_test_set(patients: int = 24) -> list[ExpertFrame]:
    frames, load, truth = chest_frames(patients)

    def expert(case: str) -> Mapping[str, float] | LabelMap:
        return {str(name): float(value) for name, value in truth.loc[case].items()}

    return [
        ExpertFrame(
            frame_id=row["frame_id"],
            patient_id=row["patient_id"],
            stratum=row["batch"],
            fingerprint=row["frame_id"],
            volume=partial(load, row["frame_id"]),
            expert=partial(expert, row["case_id"]),
        )
        for row in frames.to_dict("records")
    ]


def named(number: int, predictor: Predictor) -> Candidate:
    return Candidate(name=f"ctloop/{number}", package_hash=f"hash{number}", predictor=predictor)


def judged(champion: Predictor | None, challenger: Predictor, frames: list[ExpertFrame]) -> Verdict:
    return run_gate(
        task=challenger.task,
        champion=named(1, champion) if champion else None,
        challenger=named(2, challenger),
        frames=frames,
        training_patients=["elsewhere"],
        params=PARAMS,
        ledger=LedgerInMemory(),
    )


def test_a_better_segmenter_passes_and_a_worse_one_does_not() -> None:
    frames = heart_test_set()
    assert judged(Segmenter(shift=1), Segmenter(), frames).accepted
    assert judged(Segmenter(), Segmenter(shift=1), frames).outcome == "refused"
    assert judged(Segmenter(shift=1), Segmenter(shift=1), frames).outcome == "refused"


def test_the_first_model_and_its_ledger_entry() -> None:
    ledger, frames = LedgerInMemory(), heart_test_set(10)
    verdict = run_gate(
        task="segmentation",
        champion=None,
        challenger=named(1, Segmenter()),
        frames=frames,
        training_patients=[],
        params=PARAMS,
        ledger=ledger,
        context={"test_set": "abc"},
    )
    entry = ledger.entries("gate")[0]
    assert verdict.accepted
    assert entry.subject == "ctloop/1"
    assert entry.payload == json.loads(json.dumps(verdict.as_json(), allow_nan=False))
    assert entry.payload["context"]["test_set"] == "abc"
    assert entry.payload["context"]["champion"] is None
    assert len(entry.payload["patients"]) == 10


def test_no_frames_are_not_enough_evidence() -> None:
    assert judged(Segmenter(), Segmenter(shift=1), []).outcome == "not enough evidence"


def test_a_failing_frame_scores_nothing() -> None:
    frames = heart_test_set(10)
    scores = score_frames(Segmenter(fails_on=(3,)), frames, package_hash="h", cache={})
    table = patient_table("segmentation", frames, scores).set_index("patient_id")["score"]
    assert table["p03"] == 0.0
    assert table.drop("p03").to_numpy() == pytest.approx(1.0)
    verdict = judged(Segmenter(), Segmenter(fails_on=(3,)), frames)
    assert verdict.context["frames_failed"] == {"challenger": 3, "champion": 0}
    assert not verdict.accepted


class Recovering:
    """A segmenter that runs out of memory on every second patient, until it has room."""

    task: Task = "segmentation"
    label_names = ("left_ventricle", "aorta")
    room = False

    def predict(self, volume: Volume) -> FramePrediction:
        if not self.room and volume.voxels_hu[0, 0, 0] % 2 == 0:
            raise RuntimeError("out of memory")
        return Segmenter().predict(volume)


def test_a_champion_that_failed_once_does_not_make_way_for_a_worse_challenger() -> None:
    champion, frames = Recovering(), heart_test_set(20)
    cache: ScoreCache = {}

    def gate() -> Verdict:
        return run_gate(
            task="segmentation",
            champion=named(1, champion),
            challenger=named(2, Segmenter(shift=1)),
            frames=frames,
            training_patients=(),
            params=PARAMS,
            ledger=LedgerInMemory(),
            cache=cache,
        )

    verdict = gate()
    assert verdict.outcome == "not enough evidence"
    assert "champion failed: 10" in verdict.reason
    assert verdict.checks[-1].holds is False
    assert verdict.context["frames_failed"] == {"challenger": 0, "champion": 30}
    champion.room = True
    assert gate().outcome == "refused"
    assert "may lose more" in gate().reason


def test_a_failed_score_is_not_kept_and_one_of_an_older_cache_is_not_believed() -> None:
    frames = heart_test_set(1)
    cache: ScoreCache = {("h", frames[0].fingerprint): {}}
    model = Recovering()
    assert score_frames(model, frames, package_hash="h", cache=cache) == [{}] * 3
    assert not any(cache.values())
    model.room = True
    assert all(score_frames(model, frames, package_hash="h", cache=cache))
    assert all(cache.values())


def test_a_frame_is_judged_once_per_package() -> None:
    class Counting:
        """Counts its predictions."""

        task, label_names, calls = "segmentation", ("left_ventricle", "aorta"), 0

        def predict(self, volume: Volume) -> FramePrediction:
            self.calls += 1
            return Segmenter().predict(volume)

    model, frames = Counting(), heart_test_set(2)
    cache: ScoreCache = {}
    first = score_frames(model, frames, package_hash="h", cache=cache)  # type: ignore[arg-type]
    again = score_frames(model, frames, package_hash="h", cache=cache)  # type: ignore[arg-type]
    assert first == again
    assert model.calls == len(frames)
    score_frames(model, frames, package_hash="other", cache=cache)  # type: ignore[arg-type]
    assert model.calls == 2 * len(frames)


def test_classification_is_scored_by_brier_on_known_findings() -> None:
    frames = chest_test_set(12)
    scores = score_frames(Classifier(odd=0.8, even=0.3), frames, package_hash="h", cache={})
    table = patient_table("classification", frames, scores).set_index("patient_id")
    assert table["score"]["p01"] == pytest.approx(1 - 0.2**2)
    assert table["score"]["p02"] == pytest.approx(1 - 0.3**2)
    assert table["baseline"].to_numpy() == pytest.approx(1 - 0.5**2)


def test_a_better_classifier_passes_by_its_mean_auroc_too() -> None:
    frames = chest_test_set()
    verdict = judged(Classifier(odd=0.55, even=0.55), Classifier(odd=0.9, even=0.1), frames)
    assert verdict.accepted
    (macro,) = (c for c in verdict.checks if (c.name, c.endpoint) == ("superiority", "auroc/macro"))
    assert macro.mean == pytest.approx(0.5)
    assert macro.holds
    assert "auroc/macro +0.500" in verdict.reason


def test_probabilities_that_no_longer_mean_what_they_say_are_refused() -> None:
    verdict = judged(Classifier(odd=0.9, even=0.1), Classifier(odd=0.6, even=0.4), chest_test_set())
    calibration = next(check for check in verdict.checks if check.name == "calibration")
    assert calibration.mean == pytest.approx(0.4)
    assert calibration.bound == pytest.approx(0.2)
    assert not verdict.accepted


def test_a_first_classifier_must_beat_the_prevalence() -> None:
    params = GateParams(margin=0.02, floor=0.0, draws=500)
    for model, outcome in (
        (Classifier(odd=0.8, even=0.1), "accepted"),
        (Classifier(odd=0.5, even=0.5), "refused"),
        (Classifier(odd=0.1, even=0.8), "refused"),
    ):
        verdict = run_gate(
            task="classification",
            champion=None,
            challenger=named(1, model),
            frames=chest_test_set(),
            training_patients=[],
            params=params,
            ledger=LedgerInMemory(),
        )
        assert verdict.outcome == outcome


def test_a_silent_model_does_not_win() -> None:
    frames = chest_test_set(12)
    silent = [{} for _ in frames]
    table = patient_table("classification", frames, silent)
    assert np.allclose(table["score"], 0.0)
