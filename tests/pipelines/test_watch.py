"""A window is watched, both arms ask, an expert answers, and the next watch measures what they found."""

from __future__ import annotations

import datetime
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from components.adapters.answer_folder import AnswerFolder
from components.adapters.blosc_store import load_volume
from components.adapters.parquet import read_parquet
from components.cohort.labels import LabelSidecar
from components.labeling.request import LabelingRequest
from components.models.prediction import FramePrediction
from components.operations.scoring import score_cases
from components.registry.registry import ModelVersion
from components.volume.volume import LabelMap, Volume
from pipelines.composition import Services
from pipelines.held_out import frames_of
from pipelines.params_override import set_params
from pipelines.turn import watch
from pipelines.workspace import Workspace
from tests.pipelines.judged_workspace import make_workspace

VERSION = ModelVersion(
    name="ctloop-segmentation", version=1, aliases=("champion",), package_hash="h", run_id="r", tags={}, created_at=""
)  # fmt: skip


class BrightVoxels:
    """Labels what is brighter than the mean as one structure."""

    task = "segmentation"
    label_names = ("left_ventricle",)

    def predict(self, volume: Volume) -> FramePrediction:
        bright = (volume.voxels_hu > volume.voxels_hu.mean()).astype(np.uint8)
        return FramePrediction(
            labels=LabelMap(labels=bright, geometry=volume.geometry, names={1: "left_ventricle"}),
            probabilities={},
            uncertainty=float(bright.mean()),
            embedding=np.array([volume.voxels_hu.mean(), volume.voxels_hu.std()], dtype=np.float32),
            outputs={"left_ventricle_ml": float(bright.sum()) * 0.064},
        )


@dataclass(frozen=True)
class OnePackage:
    """A registry whose versions all have the same files."""

    package: Path

    def fetch(self, version: ModelVersion) -> Path:
        return self.package


class OneModel(Services):
    """The champion is always the same."""

    @property
    def registry(self) -> OnePackage:  # type: ignore[override]
        return OnePackage(self.workspace.root / "package")

    def version_in_use(self, task: object) -> ModelVersion:
        return VERSION

    def predictor(self, version: object) -> tuple[BrightVoxels, Path]:  # type: ignore[override]
        return BrightVoxels(), self.workspace.root / "package"


@pytest.fixture
def services(tmp_path: Path) -> OneModel:
    """Batch one is labelled, batch two is not; nine patients of each side are held out."""
    workspace = make_workspace(tmp_path, "segmentation", train=12, test=9)
    prepared, ingested = workspace.prepared("segmentation"), workspace.ingested("segmentation")
    shutil.copytree(prepared / "frames", ingested / "volumes")
    trained = frames_of(workspace, "segmentation", "train")
    for frame in trained[trained["batch"] == "two"]["frame_id"]:
        (workspace.labels("segmentation") / f"{frame}.sidecar.json").unlink()
    package = workspace.root / "package"
    (package / "lineage").mkdir(parents=True)
    (package / "lineage" / "lineage.json").write_text(json.dumps({"training_patients": []}))
    reference = score_cases(
        BrightVoxels(),  # type: ignore[arg-type]
        frames_of(workspace, "segmentation", "test"),
        lambda frame: load_volume(prepared / "frames" / f"{frame}.b2nd"),
    )
    reference.to_parquet(package / "reference.parquet")
    set_params(workspace.params, {"acquisition": {"shadow": {"share": 0.5}}, "monitor": {"replays": 0}})
    return OneModel(workspace)


def now() -> datetime.datetime:
    return datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def give_answer(workspace: Workspace, services: Services, request: LabelingRequest) -> None:
    """What the package would give, one voxel aside."""
    volume = load_volume(workspace.ingested("segmentation") / "volumes" / f"{request.frame_id}.b2nd")
    drawn = BrightVoxels().predict(volume).labels
    assert drawn is not None
    moved = replace(drawn, labels=np.roll(drawn.labels, 1, axis=2))
    sidecar = LabelSidecar(
        provenance="expert", label_sha256="a" * 64, request_id=request.id, minutes=11.0, annotator="reader"
    )
    AnswerFolder(workspace.answers("segmentation")).put_label_map(request.frame_id, moved, sidecar)
    services.store.mark_answered(request.id, label_sha256="a" * 64, annotator="reader", minutes=11.0)


@pytest.mark.slow
def test_both_arms_ask_and_what_they_found_is_measured_once(services: OneModel) -> None:
    workspace = services.workspace
    first = watch(services, "segmentation", "two", now=now)
    assert first.report.verdict.kind != "drift"
    asked = [request for request in first.opened if request.reason == "acquisition"]
    assert {request.arm for request in asked} == {"strategy", "random"}
    assert sum(request.budget_minutes for request in asked) == 120.0
    assert all(request.choice for request in asked)
    assert len({request.patient_id for request in asked}) == 2

    assert watch(services, "segmentation", "two", now=now).opened == ()
    assert services.store.entries("acquisition") == ()

    for request in asked:
        give_answer(workspace, services, request)
    again = watch(services, "segmentation", "two", now=now)
    (entry,) = services.store.entries("acquisition")
    assert set(entry.payload["answers"]) == {request.id for request in asked}
    assert all(0 < error < 1 for error in entry.payload["answers"].values())
    assert (entry.payload["kind"], entry.payload["n_strategy"], entry.payload["n_random"]) == (
        "not enough evidence", 1, 1,
    )  # fmt: skip
    assert "too few answers" in again.report.acquisition.words()
    assert again.report.acquisition.minutes.n == 0
    page = workspace.reports / "monitor" / "segmentation-two" / "index.html"
    assert "Cases are chosen by failure_coverage" in page.read_text()
    watch(services, "segmentation", "two", now=now)
    assert len(services.store.entries("acquisition")) == 1
    kept = read_parquet(workspace.reports / "monitor" / "labelled" / "ctloop-segmentation-1.parquet")
    assert len(kept) == 6
    services.store.close()
