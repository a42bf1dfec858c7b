from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.blosc_store import save_volume
from components.adapters.parquet import read_parquet
from components.cohort.task import Task
from components.errors import StateError
from components.models.prediction import FramePrediction
from components.operations.monitor_window import MonitorParams, WindowReport
from components.operations.scoring import score_cases
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from pipelines.monitor import monitor, report_folder
from pipelines.params import load_section
from pipelines.prepared_cases import prepared_volume
from pipelines.workspace import Workspace
from tests.components.operations.scored import scored

SHIPPED = Path(__file__).parents[2] / "pipelines" / "params.yaml"
GRID = Geometry.axis_aligned((8, 12, 12), (5.0, 3.0, 3.0))


class MeanPredictor:
    """A classifier whose every answer is the mean HU."""

    task: Task = "classification"
    label_names = ("emphysema",)

    def predict(self, volume: Volume) -> FramePrediction:
        mean = float(volume.voxels_hu.mean())
        probability = float(1 / (1 + np.exp(-mean / 100)))
        return FramePrediction(
            labels=None,
            probabilities={"emphysema": probability},
            uncertainty=4 * probability * (1 - probability),
            embedding=np.array([mean, volume.voxels_hu.std(), 1.0], dtype=np.float32),
            outputs={"emphysema": probability},
        )


def frames_of(batch: str, patients: int) -> pd.DataFrame:
    names = [f"{batch}{i:02d}" for i in range(patients)]
    return pd.DataFrame(
        {
            "frame_id": names,
            "case_id": names,
            "patient_id": names,
            "batch": batch,
            "phase_percent": np.nan,
            "site": batch,
            "kvp": 120.0,
            "sha256": "0" * 64,
        }
    )


def load(frame: str) -> Volume:
    generator = np.random.default_rng(list(frame.encode()))
    brightness = 150 if frame.startswith("two") else 0
    voxels = generator.normal(brightness + generator.normal(0, 20), 40, GRID.shape)
    return Volume(voxels_hu=voxels.round().astype(np.int16), geometry=GRID)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One for all tests: MLflow takes seconds to make its store."""
    root = tmp_path_factory.mktemp("monitor")
    here = Workspace(root=root, state=root / ".ctloop")
    here.params.parent.mkdir(parents=True)
    here.params.write_text(SHIPPED.read_text().replace("replays: 20", "replays: 3"))
    prepared = here.prepared("classification")
    prepared.mkdir(parents=True)
    frames = pd.concat([frames_of("one", 9), frames_of("two", 9)])
    frames.to_parquet(prepared / "frames.parquet")
    for frame in frames["frame_id"]:
        save_volume(prepared / "frames" / f"{frame}.b2nd", load(frame))
    return here


def watch(workspace: Workspace, batch: str, held_out: int = 16) -> WindowReport:
    return monitor(
        workspace,
        "classification",
        batch,
        score=lambda frames: scored(MeanPredictor(), frames, prepared_volume(workspace, "classification")),
        model_version="ctloop-classification/1",
        reference=score_cases(MeanPredictor(), frames_of("one", 30).tail(held_out), load),
    )


@pytest.fixture(scope="module")
def drifted(workspace: Workspace) -> WindowReport:
    return watch(workspace, "two")


def test_the_shipped_parameters_are_valid() -> None:
    params = load_section(MonitorParams, SHIPPED, "monitor", "segmentation")
    assert params.drift.alpha == 0.01


def test_a_report_is_written_and_says_the_verdict(workspace: Workspace, drifted: WindowReport) -> None:
    folder = report_folder(workspace, "classification", "two")
    page = (folder / "index.html").read_text()
    assert "<strong>Drift</strong>" in page
    assert page.count("data:image/png;base64,") == 3
    assert "http://" not in page
    assert "https://" not in page
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["verdict"]["kind"] == drifted.verdict.kind == "drift"
    assert len(verdict["candidates"]) == len(drifted.candidates) > 0
    assert set(read_parquet(folder / "scorecards.parquet")["case_id"]) == set(frames_of("two", 9)["case_id"])


def test_the_same_batch_gives_the_same_files(workspace: Workspace) -> None:
    folder = report_folder(workspace, "classification", "one")
    files = []
    for _ in range(2):
        assert watch(workspace, "one").verdict.kind == "no drift"
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert files[0] == files[1]


def test_an_unknown_batch_is_named_with_the_known_ones(workspace: Workspace) -> None:
    with pytest.raises(StateError, match="one, two"):
        watch(workspace, "three")


def test_nothing_to_compare_with_still_makes_a_report(workspace: Workspace) -> None:
    report = watch(workspace, "one", held_out=1)
    assert report.verdict.kind == "not enough evidence"
    page = (report_folder(workspace, "classification", "one") / "index.html").read_text()
    assert "No test was made" in page


@pytest.mark.slow
def test_the_stores_hold_an_mlflow_run_and_an_evidently_run(
    workspace: Workspace, drifted: WindowReport
) -> None:
    from evidently.ui.workspace import Workspace as EvidentlyWorkspace
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=workspace.mlflow_uri)
    experiment = client.get_experiment_by_name("ctloop-classification/monitor")
    (run,) = client.search_runs([experiment.experiment_id], "attributes.run_name = 'monitor two'")
    assert run.data.tags["verdict"] == "drift"
    assert run.data.metrics["n_window"] == drifted.verdict.n_window
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {
        "index.html",
        "scorecards.parquet",
        "verdict.json",
    }
    evidently = EvidentlyWorkspace.create(str(workspace.evidently))
    (project,) = evidently.search_project("ctloop-classification")
    names = [evidently.get_run(project.id, run_id).name for run_id in evidently.list_runs(project.id)]
    assert names.count("two seen by ctloop-classification/1") == 1
