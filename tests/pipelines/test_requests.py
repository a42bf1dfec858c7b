from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.adapters.answer_files import read_drawn_label_map
from components.adapters.sql_store import SqlStore
from components.cohort.task import TASKS
from components.labeling.request_row import ROW_KEYS
from components.volume.volume import LabelMap, Volume
from pipelines.params import load_section
from pipelines.requests import RequestsParams, export_requests, list_requests, requests_table
from pipelines.workspace import Workspace
from tests.pipelines.answering_workspace import (
    CHEST_REQUEST,
    HEART_REQUEST,
    NATIVE,
    heart_labels,
    heart_volume,
    made_workspace,
)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Workspace, SqlStore]]:
    workspace, store = made_workspace(tmp_path)
    yield workspace, store
    store.close()


def test_the_list_has_exactly_the_promised_keys(made: tuple[Workspace, SqlStore]) -> None:
    rows = list_requests(made[1])
    assert [tuple(row) for row in rows] == [ROW_KEYS, ROW_KEYS]
    assert {
        "id",
        "case_id",
        "frame",
        "reason",
        "measured",
        "threshold",
        "model_version",
        "status",
        "due",
    } <= set(ROW_KEYS)
    assert json.loads(json.dumps(rows))[0]["frame"] == HEART_REQUEST.frame_id
    assert [row["task"] for row in list_requests(made[1], "open", "classification")] == ["classification"]
    assert list_requests(made[1], "answered") == []


def test_the_table_is_aligned(made: tuple[Workspace, SqlStore]) -> None:
    lines = requests_table(made[1]).split("\n")
    assert len(lines) == 3
    assert lines[1].index("open") == lines[0].index("status")


def test_a_package_holds_what_an_expert_needs(made: tuple[Workspace, SqlStore]) -> None:
    workspace, store = made
    (heart, chest) = export_requests(workspace, store.requests())
    image = nibabel.load(heart / "image.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj).T, heart_volume().voxels_hu)
    drawn = read_drawn_label_map(heart / "pre-annotation.nii.gz")
    assert drawn.geometry.matches(NATIVE)
    overlap = np.mean(drawn.labels[heart_labels() == 1] == 1)
    assert overlap > 0.6
    order = json.loads((heart / "request.json").read_text())
    assert order["labels"]["5"] == "myocardium"
    assert "0.421" in order["why"]
    assert (heart / "README.txt").read_text().count(".\n") == 2
    assert sorted(path.name for path in chest.iterdir()) == [
        "README.txt",
        "findings.csv",
        "image.nii.gz",
        "request.json",
    ]
    header, row = (chest / "findings.csv").read_text().split()
    assert header.split(",")[0] == "case_id"
    assert row.count(",") == header.count(",") == 18


def test_packing_again_changes_nothing_and_leaves_no_rest(made: tuple[Workspace, SqlStore]) -> None:
    workspace, store = made
    (folder, _) = export_requests(workspace, store.requests())
    before = (folder / "image.nii.gz").stat().st_mtime_ns
    export_requests(workspace, store.requests())
    assert (folder / "image.nii.gz").stat().st_mtime_ns == before
    assert len(list(workspace.exports.iterdir())) == 2


def test_the_models_own_prediction_can_be_the_start(made: tuple[Workspace, SqlStore]) -> None:
    def predict(request: object, volume: Volume) -> LabelMap:
        return LabelMap(labels=heart_labels(), geometry=volume.geometry, names={})

    (folder,) = export_requests(made[0], [HEART_REQUEST], pre_annotation=predict)
    assert np.array_equal(read_drawn_label_map(folder / "pre-annotation.nii.gz").geometry.shape, NATIVE.shape)


def test_a_missing_frame_is_left_out(made: tuple[Workspace, SqlStore]) -> None:
    assert export_requests(made[0], [replace(CHEST_REQUEST, frame_id="gone")]) == ()


def test_the_shipped_parameters(made: tuple[Workspace, SqlStore]) -> None:
    params = load_section(RequestsParams, made[0].params, "requests")
    assert params == RequestsParams()
    assert set(params.budget_minutes) == set(TASKS)
