"""What comes back from experts: minutes and the model's error, measured once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.answer_folder import AnswerFolder
from components.adapters.nifti_writer import write_nifti_labels
from components.adapters.sql_store import SqlStore
from components.cohort.labels import LabelSidecar
from components.cohort.structures import HEART_LABELS
from components.labeling.request import LabelingRequest
from components.metrics.overlap import dice
from components.volume.volume import LabelMap
from pipelines.answered_requests import answered_minutes, measured_answers, measured_error
from pipelines.workspace import Workspace
from tests.pipelines.answering_workspace import (
    CHEST_REQUEST,
    HEART_REQUEST,
    NATIVE,
    heart_labels,
    made_workspace,
)

HEART = replace(HEART_REQUEST, frame_id="heart-08", case_id="heart-08", arm="random", choice="drawn")
CHEST = replace(CHEST_REQUEST, case_id="chest-9", frame_id="chest-9", arm="strategy", choice="far")


@pytest.fixture
def site(tmp_path: Path) -> tuple[Workspace, SqlStore]:
    workspace, store = made_workspace(tmp_path)
    for request in (HEART, CHEST):
        store.open_request(request)
    return workspace, store


def sidecar(request: LabelingRequest, minutes: float | None) -> LabelSidecar:
    return LabelSidecar(provenance="expert", label_sha256="a" * 64, request_id=request.id, minutes=minutes)


def answer_heart(
    workspace: Workspace, store: SqlStore, minutes: float | None = 12.0
) -> tuple[np.ndarray, np.ndarray]:
    """The expert draws the truth; what was handed out lies two voxels beside it."""
    truth, handed = heart_labels(), np.roll(heart_labels(), 2, axis=2)
    AnswerFolder(workspace.answers("segmentation")).put_label_map(
        "heart-08", LabelMap(labels=truth, geometry=NATIVE, names=HEART_LABELS), sidecar(HEART, minutes)
    )
    package = workspace.exports / HEART.id
    package.mkdir(parents=True)
    write_nifti_labels(
        package / "pre-annotation.nii.gz", LabelMap(labels=handed, geometry=NATIVE, names=HEART_LABELS)
    )
    store.mark_answered(HEART.id, label_sha256="a" * 64, annotator="reader", minutes=minutes)
    return truth, handed


def answer_chest(workspace: Workspace, store: SqlStore) -> None:
    AnswerFolder(workspace.answers("classification")).put_findings(
        "chest-9", {"emphysema": 1, "atelectasis": 0, "lung_nodule": None}, sidecar(CHEST, 4.0)
    )
    folder = workspace.reports / "monitor" / f"classification-{CHEST.batch}"
    folder.mkdir(parents=True)
    probabilities = {"output_emphysema": [0.7], "output_atelectasis": [0.1], "output_lung_nodule": [0.9]}
    table = {"case_id": ["chest-9"], "frame_id": ["chest-9"], **probabilities}
    pd.DataFrame(table).to_parquet(folder / "scorecards.parquet")
    (folder / "verdict.json").write_text(json.dumps({"model_version": CHEST.model_version}))
    store.mark_answered(CHEST.id, label_sha256="a" * 64, annotator="reader", minutes=4.0)


def test_the_error_of_a_segmentation_is_one_less_the_mean_dice(site: tuple[Workspace, SqlStore]) -> None:
    truth, handed = answer_heart(*site)
    expected = 1 - np.mean([dice(truth == value, handed == value) for value in (1, 5, 6)])
    assert 0.1 < expected < 0.9
    answers, new = measured_answers(site[0], "segmentation", site[1], site[1])
    assert new == {HEART.id: pytest.approx(expected)}
    assert [(one.arm, one.minutes, one.error) for one in answers] == [
        ("random", 12.0, pytest.approx(expected))
    ]


def test_the_error_of_findings_is_their_mean_brier_score(site: tuple[Workspace, SqlStore]) -> None:
    answer_chest(*site)
    answers, _ = measured_answers(site[0], "classification", site[1], site[1])
    assert [(one.arm, one.error) for one in answers] == [("strategy", pytest.approx((0.3**2 + 0.1**2) / 2))]


def test_a_later_model_is_not_judged_in_the_place_of_the_one_that_asked(
    site: tuple[Workspace, SqlStore],
) -> None:
    answer_chest(*site)
    file = site[0].reports / "monitor" / f"classification-{CHEST.batch}" / "verdict.json"
    file.write_text(json.dumps({"model_version": "ctloop-classification/2"}))
    assert np.isnan(measured_error(site[0], CHEST))


def test_what_was_measured_is_remembered_and_what_is_gone_is_no_number(
    site: tuple[Workspace, SqlStore],
) -> None:
    workspace, store = site
    answer_heart(workspace, store, minutes=None)
    store.append("acquisition", "segmentation", {"kind": "pays", "answers": {HEART.id: 0.25}})
    store.append("acquisition", "classification", {"kind": "pays", "answers": {HEART.id: 0.75}})
    answers, new = measured_answers(workspace, "segmentation", store, store)
    assert (new, answers[0].error, answers[0].minutes) == ({}, 0.25, HEART.budget_minutes)
    (workspace.exports / HEART.id / "pre-annotation.nii.gz").unlink()
    assert np.isnan(measured_error(workspace, HEART))


def test_requests_of_no_arm_and_answers_to_others_do_not_count(site: tuple[Workspace, SqlStore]) -> None:
    workspace, store = site
    answer_heart(workspace, store)
    other = sidecar(HEART, 3.0)
    file = workspace.answers("segmentation") / "heart-08.sidecar.json"
    file.write_text(replace(other, request_id="another").to_json())
    assert measured_answers(workspace, "segmentation", store, store) == ([], {})
    assert answered_minutes(workspace, "segmentation", store).empty


def test_minutes_come_with_the_scorecard_of_the_frame(site: tuple[Workspace, SqlStore]) -> None:
    workspace, store = site
    answer_heart(workspace, store)
    assert answered_minutes(workspace, "segmentation", store)["minutes"].tolist() == [12.0]
    folder = workspace.reports / "monitor" / "segmentation-batch-2"
    folder.mkdir(parents=True)
    pd.DataFrame({"frame_id": ["heart-08", "x"], "foreground_ml": [310.0, 1.0]}).to_parquet(
        folder / "scorecards.parquet"
    )
    table = answered_minutes(workspace, "segmentation", store)
    assert table[["frame_id", "minutes", "foreground_ml"]].to_numpy().tolist() == [["heart-08", 12.0, 310.0]]
