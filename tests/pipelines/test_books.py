"""Counts for reports, from a made workspace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.cohort.labels import LabelSidecar
from components.cohort.task import TASKS, Task
from pipelines.books import label_counts
from pipelines.composition import Services
from tests.pipelines.answering_workspace import CHEST_REQUEST
from tests.pipelines.judged_workspace import EXPERT, make_workspace


@pytest.mark.parametrize("task", TASKS)
def test_all_expert_labels_count_by_side_and_nothing_else(tmp_path: Path, task: Task) -> None:
    workspace = make_workspace(tmp_path, task, train=3, test=2, phases=2)
    services = Services(workspace)
    services.store.open_request(replace(CHEST_REQUEST, task=task))
    propagated = replace(LabelSidecar.from_json(EXPERT), provenance="propagated").to_json()
    sidecars = sorted(workspace.labels(task).glob("*.sidecar.json"))
    sidecars[0].write_text(propagated)
    per_patient = 2 if task == "segmentation" else 1
    assert label_counts(services, task) == {
        "opened": 1,
        "answered": 0,
        "open": 1,
        "labels_to_teach": 3 * per_patient - 1,
        "labels_to_judge": 2 * per_patient,
    }
    services.store.close()
