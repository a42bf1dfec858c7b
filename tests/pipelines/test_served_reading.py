"""What the model in use says of a case: read once, in the background, and kept."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from typing import Any

import nibabel
import numpy as np
import pytest

from components.adapters.parquet import read_parquet
from components.cohort.task import Task
from components.models.prediction import FramePrediction, Predictor
from components.registry.registry import ModelVersion
from components.volume.volume import Volume
from dashboards.reading import CaseReading
from pipelines.composition import MODEL_NAMES, Services
from pipelines.served_reading import WorkspaceReading
from pipelines.workspace import Workspace
from tests.components.models.marked_scans import FINDINGS
from tests.components.registry.fakes import RegistryInMemory
from tests.dashboards.lived_workspace import lived_app
from tests.dashboards.read_workspace import (
    BEAT,
    CHEST,
    PHASES,
    RADII,
    SPACING_MM,
    Brightness,
    add_cases,
    beating,
    load,
    made_reading,
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    _, workspace, store = lived_app(tmp_path_factory.mktemp("reading"))
    add_cases(workspace)
    yield workspace
    store.close()


def rows(workspace: Workspace, task: Task, case: str) -> list[dict[str, Any]]:
    frames = read_parquet(workspace.ingested(task) / "frames.parquet")
    return [
        {str(k): v for k, v in row.items()} for row in frames[frames["case_id"] == case].to_dict("records")
    ]


def read_through(reading: WorkspaceReading, task: Task, frames: list[dict[str, Any]]) -> CaseReading:
    until = time.monotonic() + 60
    while not (said := reading.read(task, frames)).done:
        assert time.monotonic() < until
        time.sleep(0.02)
    return said


def image(content: bytes | None) -> Any:
    assert content is not None
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(content))


def test_a_cine_is_read_once_and_what_was_read_is_kept(workspace: Workspace) -> None:
    loads: list[int] = []

    def counted(version: ModelVersion) -> Predictor:
        loads.append(version.version)
        return load(version)

    frames = rows(workspace, "segmentation", BEAT)
    said = read_through(made_reading(workspace, counted), "segmentation", frames)
    assert said.model == "ctloop-segmentation/2"
    volumes = [said.frames[f"{BEAT}__phase-{int(p):03d}"].outputs["left_ventricle_ml"] for p in PHASES]
    balls = [4 / 3 * np.pi * (radius * SPACING_MM) ** 3 / 1000 for radius in RADII]
    np.testing.assert_allclose(volumes, balls, rtol=0.06)
    again = made_reading(workspace, counted).read("segmentation", frames)
    assert again.done
    assert again.frames == said.frames
    assert loads == [2]


def test_its_files_are_the_scan_and_the_model_s_layers(workspace: Workspace) -> None:
    reading, frames = made_reading(workspace), rows(workspace, "segmentation", BEAT)
    read_through(reading, "segmentation", frames)
    frame = str(frames[0]["frame_id"])
    scan = image(reading.scan_file("segmentation", frame))
    np.testing.assert_array_equal(np.asarray(scan.dataobj).T, beating(0).voxels_hu)
    labels = np.asarray(image(reading.layer_file("segmentation", frame, "prediction")).dataobj).T
    np.testing.assert_array_equal(labels, beating(0).voxels_hu > 200)
    doubt = np.asarray(image(reading.layer_file("segmentation", frame, "doubt")).dataobj)
    assert set(np.unique(doubt)) == {0, 40}


def test_a_chest_says_which_slices_speak_for_a_finding(workspace: Workspace) -> None:
    reading, frames = made_reading(workspace), rows(workspace, "classification", CHEST)
    (said,) = read_through(reading, "classification", frames).frames.values()
    assert set(said.outputs) == set(FINDINGS)
    parts = said.relevance["bright_square"]
    assert [(part.first, part.last) for part in parts] == [(3 * t, 3 * t + 2) for t in range(8)]
    best = max(parts, key=lambda part: part.value)
    assert (best.first, best.last) == (9, 11)
    assert best.position_mm == pytest.approx(-500.0 + 10 * 3.0)
    assert reading.layer_file("classification", CHEST, "prediction") is None


def test_a_frame_that_cannot_be_read_says_why_and_stops_nobody(workspace: Workspace) -> None:
    frames = rows(workspace, "segmentation", BEAT)
    lost = {**frames[0], "frame_id": "lost", "sha256": "b" * 64}
    said = read_through(made_reading(workspace), "segmentation", [*frames, lost])
    assert said.frames.keys() == {row["frame_id"] for row in frames}
    assert said.failures.keys() == {"lost"}


def test_changed_content_is_read_again(workspace: Workspace) -> None:
    frames = rows(workspace, "segmentation", BEAT)
    read_through(made_reading(workspace), "segmentation", frames)
    changed = [{**row, "sha256": "c" * 64} for row in frames]
    reading = made_reading(workspace)
    assert not reading.read("segmentation", changed).done
    assert read_through(reading, "segmentation", changed).frames.keys() == {row["frame_id"] for row in frames}


def test_without_a_model_it_says_so(workspace: Workspace) -> None:
    services = Services(workspace)
    vars(services).update(registry=RegistryInMemory())
    said = WorkspaceReading(services).read("segmentation", rows(workspace, "segmentation", BEAT))
    assert said.done
    assert not said.frames
    assert MODEL_NAMES["segmentation"] in said.problem


def test_readings_of_versions_that_are_no_longer_in_use_go(workspace: Workspace) -> None:
    old = workspace.state / "viewer" / "segmentation" / "of an older version"
    old.mkdir(parents=True)
    changed = [{**row, "sha256": "d" * 64} for row in rows(workspace, "segmentation", BEAT)]
    read_through(made_reading(workspace), "segmentation", changed)
    assert not old.exists()


def test_the_end_of_the_server_waits_for_one_frame_at_most(workspace: Workspace) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Brightness):
        def predict(self, volume: Volume) -> FramePrediction:
            begun.set()
            assert go_on.wait(30)
            return super().predict(volume)

    reading = made_reading(workspace, lambda version: Slow())
    changed = [{**row, "sha256": "f" * 64} for row in rows(workspace, "segmentation", BEAT)]
    reading.read("segmentation", changed)
    assert begun.wait(30)
    reading.close()
    go_on.set()
    reading._worker.shutdown(wait=True)
    assert not reading.read(
        "segmentation", changed
    ).done  # nothing more is begun, and nothing counts as failed
    assert not reading.read("segmentation", changed).failures
