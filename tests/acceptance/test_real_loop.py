"""What `ctloop loop` made of the real scans, read back. `.ci/real-loop` runs this after it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.adapters.parquet import read_parquet
from components.cohort.pseudonym import pseudonym
from components.cohort.task import TASKS, Task
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import stages_of
from pipelines.pseudonym_key import pseudonym_key
from pipelines.quarantined_paths import quarantined_paths
from pipelines.requests import list_requests
from pipelines.workspace import Workspace
from tests.acceptance.readme_commands import PAGE, TRACE
from tests.pipelines.connections import addresses, stages

pytestmark = pytest.mark.real_loop


@pytest.fixture(scope="module")
def services() -> Services:
    return Services(Workspace.at(Path(os.environ["CTLOOP_REAL_LOOP"])))


def frames(services: Services, task: Task) -> pd.DataFrame:
    return read_parquet(services.workspace.prepared(task) / "frames.parquet")


def patient(services: Services, stated: str) -> str:
    return pseudonym(pseudonym_key(services.workspace), "patient", stated)


def summary(services: Services) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((services.workspace.reports / "loop" / "summary.json").read_text())
    return content


@pytest.mark.parametrize("task", TASKS)
def test_odd_series_are_quarantined_with_their_reasons(services: Services, task: Task) -> None:
    listed = json.loads((services.workspace.ingested(task) / "quarantine.json").read_text())
    paths = quarantined_paths(services.workspace)
    tilted, one_uid = sorted(listed, key=lambda item: paths[item["source"].split()[0]])
    assert "/odd/gantry_tilt_mixed_spacing/" in paths[tilted["source"].split()[0]]
    assert "gantry tilt of 18.5°" in tilted["reason"]
    assert "/odd/jpeg2000_one_sop_uid/" in paths[one_uid["source"].split()[0]]
    assert "duplicate SOPInstanceUIDs" in one_uid["reason"]


def test_two_kernels_and_the_dicom_series_are_one_patient(services: Services) -> None:
    table = frames(services, "classification")
    of_patient = table[table["patient_id"] == patient(services, "lung-dx-A0002")]
    assert of_patient["case_id"].nunique() == 3
    assert {"B40f", "B70f"} <= set(of_patient["kernel"])


@pytest.mark.parametrize("task", TASKS)
def test_a_model_was_trained_registered_and_judged(services: Services, task: Task) -> None:
    assert services.registry.versions(MODEL_NAMES[task])
    section = next(s for s in summary(services)["tasks"] if s["task"] == task)
    assert {gate["outcome"] for gate in section["gates"]} == {"not enough evidence"}
    assert {row["kind"] for row in section["drift"]} == {"not enough evidence"}


def test_the_abdomen_is_the_least_familiar_to_the_chest_model(services: Services) -> None:
    section = next(s for s in summary(services)["tasks"] if s["task"] == "classification")
    assert section["novelty"][0]["patient_id"] == patient(services, "abdomen-1")


def test_requests_name_real_cases(services: Services) -> None:
    rows = list_requests(services.store)
    known = {task: set(frames(services, task)["case_id"]) for task in TASKS}
    assert rows
    assert all(row["case_id"] in known[row["task"]] for row in rows)
    assert all(row["status"] == "open" for row in rows)
    for row in rows:
        assert (services.workspace.exports / row["id"] / "image.nii.gz").exists()


def test_the_report_shows_predictions_and_says_what_they_prove(services: Services) -> None:
    page = (services.workspace.reports / "loop" / "index.html").read_text()
    assert len(re.findall(r'<img src="data:image/png', page)) >= len(TASKS)
    assert "proves that the plumbing works, not that it is" in page
    assert "1 by a published tool taken as the expert for this exercise" in page


def test_the_answering_page_showed_every_request(services: Services) -> None:
    page = (services.workspace.state / PAGE).read_text()
    assert all(f"/requests/{row['id']}" in page for row in list_requests(services.store))


@pytest.mark.parametrize("task", TASKS)
def test_every_stage_was_watched_for_connections(services: Services, task: Task) -> None:
    assert set(stages_of(task)) <= stages((services.workspace.state / TRACE).read_text())


def test_no_process_reached_beyond_loopback(services: Services) -> None:
    assert addresses((services.workspace.state / TRACE).read_text()) == []
