"""Returned labels against what the champion promised of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.adapters.answer_folder import AnswerFolder
from components.adapters.blosc_store import load_label_map
from components.adapters.parquet import read_parquet
from components.cohort.labels import LabelSidecar
from components.cohort.structures import HEART_LABELS, HEART_STRUCTURES
from components.models.prediction import FramePrediction
from components.scorecard.predicted_quality import QualityEstimate
from components.volume.volume import LabelMap, Volume
from pipelines.composition import MODEL_NAMES, Services
from pipelines.coverage import check_coverage
from pipelines.params_override import set_params
from pipelines.returned_labels import PREDICTED_QUALITY, returned_labels
from tests.components.registry.fakes import RegistryInMemory
from tests.pipelines.answering_workspace import HEART_REQUEST
from tests.pipelines.judged_workspace import make_workspace

NAME = MODEL_NAMES["segmentation"]


class PromisesMuch:
    """Guesses the labels from the voxels, rightly here and there, and promises a Dice of ``low`` or better."""

    task = "segmentation"
    label_names = HEART_STRUCTURES
    level = 0.9

    def __init__(self, low: float) -> None:
        self.low, self.asked, self.quality = low, 0, self

    def estimate(self, frames: object) -> QualityEstimate:
        return QualityEstimate(value=self.low, low=self.low, high=1.0)

    def predict(self, volume: Volume) -> FramePrediction:
        self.asked += 1
        seen = np.clip(np.round((volume.voxels_hu + 100) / 60.0), 0, 7).astype(np.uint8)
        labels = LabelMap(labels=seen, geometry=volume.geometry, names=HEART_LABELS)
        return FramePrediction(
            labels=labels,
            probabilities={},
            uncertainty=0.5,
            embedding=np.zeros(2, dtype=np.float32),
            outputs={},
        )


class OneModel(Services):
    def predictor(self, version: object) -> Any:
        return self.model, self.registry.fetch(version)  # type: ignore[arg-type]

    @property
    def model(self) -> PromisesMuch:
        model: PromisesMuch = vars(self)["one"]
        return model


@pytest.fixture
def services(tmp_path: Path) -> OneModel:
    """The champion was trained on p00 and judged by p01; the others' labels came back later."""
    workspace = make_workspace(tmp_path / "w", "segmentation", train=1, test=4, phases=1)
    package = tmp_path / "package"
    (package / "lineage").mkdir(parents=True)
    (package / "lineage" / "lineage.json").write_text(json.dumps({"training_patients": ["p00"]}))
    read_parquet(workspace.prepared("segmentation") / "frames.parquet").query(
        "patient_id == 'p01'"
    ).to_parquet(package / "per_patient.parquet")
    registry = RegistryInMemory()
    registry.register(NAME, package, package_hash="h", tags={})
    registry.set_alias(NAME, "champion", 1)
    services = OneModel(workspace)
    vars(services).update(registry=registry, one=PromisesMuch(low=0.999))
    set_params(workspace.params, {"monitor": {"coverage": {"min_patients": 3}}})
    return services


def answer(services: Services, patient: str, *, wrong: bool = False, **changes: Any) -> None:
    """An answer to a request of the audit sample."""
    frame = f"c{patient}__phase-000"
    values = {
        "case_id": f"c{patient}",
        "frame_id": frame,
        "patient_id": patient,
        "reason": "audit",
        **changes,
    }
    request = replace(HEART_REQUEST, **values)
    services.store.open_request(request)
    drawn = load_label_map(services.workspace.labels("segmentation") / f"{frame}.b2nd")
    if wrong:
        drawn = replace(drawn, labels=np.roll(drawn.labels, 2, axis=0))
    digit = "b" if wrong else "a"
    sidecar = LabelSidecar(provenance="expert", label_sha256=digit * 64, request_id=request.id)
    AnswerFolder(services.workspace.answers("segmentation")).put_label_map(frame, drawn, sidecar)
    services.store.mark_answered(request.id, label_sha256=digit * 64, annotator="reader", minutes=1.0)


def test_missed_promises_are_entered_once_and_predicted_once(services: OneModel) -> None:
    first = check_coverage(services, "segmentation")
    assert first is not None
    assert first.kind == "not enough evidence"
    assert services.store.entries("coverage") == ()
    for patient in ("p00", "p01", "p02", "p03", "p04"):
        answer(services, patient, wrong=True)
    verdict = check_coverage(services, "segmentation")
    assert verdict is not None
    (promise,) = verdict.promises
    assert (promise.promise, promise.patients, promise.kept) == (PREDICTED_QUALITY, 3, 0)
    assert verdict.broken
    assert promise.p_holm == pytest.approx(0.001)
    check_coverage(services, "segmentation")
    (entry,) = services.store.entries("coverage")
    assert (entry.subject, entry.payload["kind"], entry.payload["task"]) == (
        f"{NAME}/1",
        "broken",
        "segmentation",
    )
    assert services.model.asked == 3
    services.store.close()


def test_kept_promises_hold_and_chosen_cases_count_only_where_asked(services: OneModel) -> None:
    services.model.low = 0.2
    for patient in ("p02", "p03"):
        answer(services, patient)
    answer(services, "p04", reason="uncertainty")
    table = returned_labels(services, "segmentation", services.registry.versions(NAME)[0])
    assert list(table["patient_id"]) == ["p02", "p03", "p04"]
    assert table["quality"].between(0.2, 0.9).all()
    verdict = check_coverage(services, "segmentation")
    assert verdict is not None
    assert verdict.kind == "not enough evidence"
    set_params(services.workspace.params, {"monitor": {"coverage": {"answers": "all"}}})
    verdict = check_coverage(services, "segmentation")
    assert verdict is not None
    assert (verdict.kind, verdict.promises[0].kept) == ("held", 3)
    services.store.close()
