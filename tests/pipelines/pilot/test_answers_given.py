"""Minutes of answers, from a real store and the folder of answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.adapters.answer_folder import AnswerFolder
from components.adapters.sql_store import SqlStore, open_store
from components.cohort.labels import LabelSidecar
from components.labeling.request import LabelingRequest
from components.operations.evaluation import IntervalParams
from pipelines.pilot.answers_given import labels_spent
from pipelines.workspace import Workspace

ASKED = LabelingRequest(
    task="classification", case_id="c0", frame_id="c0", patient_id="p0", batch="one", reason="audit", measured=None,
    threshold=None, model_version="none", evidence="audit sample", budget_minutes=5.0, opened_at="", due="",
)  # fmt: skip
REQUESTS = [
    dataclasses.replace(ASKED, case_id=f"c{i}", frame_id=f"c{i}", patient_id=f"p{i}") for i in range(3)
]


class Desk:
    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root=root, state=root)
        self.store: SqlStore = open_store(self.workspace.database_url)
        for request in REQUESTS:
            self.store.open_request(request)

    def answer(self, place: int, sha256: str, minutes: float | None) -> None:
        request = REQUESTS[place]
        sidecar = LabelSidecar(
            provenance="expert", label_sha256=sha256 * 64, request_id=request.id, minutes=minutes
        )
        AnswerFolder(self.workspace.answers("classification")).put_findings(request.case_id, {}, sidecar)
        self.store.mark_answered(request.id, label_sha256=sha256 * 64, annotator="reader", minutes=minutes)

    def spent(self) -> tuple[float, int, int]:
        found = labels_spent(self.workspace, self.store, None, IntervalParams(seed=0, draws=20, level=0.9))
        return found["minutes"], found["with_minutes"], found["without_minutes"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


def test_an_answer_that_replaced_another_has_cost_both(desk: Desk) -> None:
    desk.answer(0, "a", 4.0)
    desk.answer(0, "b", 3.0)
    desk.answer(1, "a", 5.0)
    assert desk.spent() == (12.0, 2, 0)


def test_minutes_stated_afterwards_of_the_same_answer_count(desk: Desk) -> None:
    desk.answer(0, "a", None)
    assert desk.spent() == (0.0, 0, 1)
    desk.answer(0, "a", 6.0)
    assert desk.spent() == (6.0, 1, 0)


def test_an_import_that_refused_something_is_counted(desk: Desk) -> None:
    for status in ("done", "refused"):
        desk.store.finish_job(desk.store.start_job("labels import"), status)  # type: ignore[arg-type]
    desk.store.finish_job(desk.store.start_job("gate"), "refused")
    desk.store.cancel_request(REQUESTS[2].id, because="a double")
    found = labels_spent(desk.workspace, desk.store, None, IntervalParams(seed=0, draws=20, level=0.9))
    assert (found["imports"], found["imports_with_refusals"], found["cancelled"]) == (2, 1, 1)
