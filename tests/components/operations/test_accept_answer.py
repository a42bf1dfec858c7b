from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.cohort.labels import LabelSidecar
from components.cohort.structures import HEART_LABELS
from components.errors import InputError
from components.labeling.answer_check import AnswerCheck
from components.labeling.drawn_label_map import DrawnLabelMap
from components.labeling.request import LabelingRequest
from components.operations.accept_answer import Answerer, accept_findings, accept_label_map
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap
from tests.components.operations.request_fakes import RequestsInMemory, ShelfInMemory

NATIVE = Geometry.axis_aligned((6, 8, 8), (5.0, 5.0, 5.0))
REQUEST = LabelingRequest(
    task="segmentation", case_id="heart-1", frame_id="heart-1", patient_id="p", batch="b",
    reason="uncertainty", measured=0.42, threshold=0.3, model_version="m/1", evidence="e", budget_minutes=30.0,
    opened_at="2026-01-01T00:00:00+00:00", due="2026-01-15",
)  # fmt: skip
READER = Answerer(annotator="reader-1", minutes=4.0)


class Desk:
    def __init__(self) -> None:
        self.store, self.shelf = RequestsInMemory(), ShelfInMemory()
        self.store.open_request(REQUEST)

    def answer(self, value: int = 1, *, asked: bool = True, by: Answerer = READER) -> LabelSidecar:
        labels = np.zeros(NATIVE.shape, dtype=np.uint8)
        labels[2:4, 2:5, 2:5] = value
        return accept_label_map(
            "heart-1",
            DrawnLabelMap(labels=labels, geometry=NATIVE),
            request=self.store.request(REQUEST.id) if asked else None,
            native=NATIVE,
            check=AnswerCheck(names=HEART_LABELS),
            by=by,
            shelf=self.shelf,
            store=self.store,
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_accepted_answer_is_shelved_and_marked(desk: Desk) -> None:
    sidecar = desk.answer()
    assert (sidecar.provenance, sidecar.request_id, sidecar.minutes) == ("expert", REQUEST.id, 4.0)
    assert desk.shelf.label_maps["heart-1"][1] == sidecar
    marked = desk.store.book[REQUEST.id]
    assert (marked.status, marked.label_sha256) == ("answered", sidecar.label_sha256)


def test_a_refused_answer_changes_nothing(desk: Desk) -> None:
    with pytest.raises(InputError, match="label values"):
        desk.answer(value=99)
    assert desk.shelf.label_maps == {}
    assert desk.store.book[REQUEST.id].status == "open"


def test_the_file_comes_before_the_mark(desk: Desk) -> None:
    class Killed(ShelfInMemory):
        def put_label_map(self, frame_id: str, label_map: LabelMap, sidecar: LabelSidecar) -> None:
            raise KeyboardInterrupt

    desk.shelf = Killed()
    with pytest.raises(KeyboardInterrupt):
        desk.answer()
    assert desk.store.book[REQUEST.id].status == "open"


def test_the_same_answer_again_is_fine_another_one_is_not(desk: Desk) -> None:
    assert desk.answer() == desk.answer()
    with pytest.raises(InputError, match="accepted before"):
        desk.answer(value=2)
    replaced = desk.answer(value=2, by=replace(READER, unasked=True))
    assert desk.store.book[REQUEST.id].label_sha256 == replaced.label_sha256


def test_an_answer_nobody_asked_for_needs_the_flag(desk: Desk) -> None:
    with pytest.raises(InputError, match="--unasked"):
        desk.answer(asked=False)
    sidecar = desk.answer(asked=False, by=replace(READER, unasked=True))
    assert sidecar.request_id is None
    assert desk.store.book[REQUEST.id].status == "open"


def test_a_cancelled_request_takes_no_answer(desk: Desk) -> None:
    desk.store.cancel_request(REQUEST.id, because="x")
    with pytest.raises(InputError, match="cancelled"):
        desk.answer()


def test_findings_go_the_same_way() -> None:
    store, shelf = RequestsInMemory(), ShelfInMemory()
    request = replace(REQUEST, task="classification", case_id="chest-1", frame_id="chest-1")
    store.open_request(request)
    findings = {"emphysema": 1, "atelectasis": None}
    sidecar = accept_findings("chest-1", findings, request=request, by=READER, shelf=shelf, store=store)
    assert shelf.findings("chest-1") == (findings, sidecar)
    assert store.book[request.id].status == "answered"


def test_a_second_reader_is_held_against_the_first_and_whoever_corrects_is_not(desk: Desk) -> None:
    first = desk.answer()
    desk.answer(value=2, by=replace(READER, unasked=True))
    assert desk.store.rereads == []
    second = desk.answer(value=2, by=Answerer(annotator="reader-2", unasked=True))
    ((name, reading),) = desk.store.rereads
    assert (name, reading.readers) == ("heart-1", ("reader-1", "reader-2"))
    assert reading.labels[1] == second.label_sha256 != first.label_sha256
    assert reading.as_json()["dice"] == {HEART_LABELS[2]: 1.0}  # the structures that neither drew say nothing


def test_two_readers_of_the_same_findings() -> None:
    store, shelf = RequestsInMemory(), ShelfInMemory()
    said = (
        {"emphysema": 1, "atelectasis": None, "nodule": 0},
        {"emphysema": 0, "atelectasis": 1, "nodule": 0},
    )
    for reader, findings in zip(("reader-1", "reader-2"), said, strict=True):
        by = Answerer(annotator=reader, unasked=True)
        accept_findings("chest-1", findings, request=None, by=by, shelf=shelf, store=store)
    ((_, reading),) = store.rereads
    assert reading.as_json()["findings"] == {"emphysema": [1, 0], "nodule": [0, 0]}
    assert shelf.findings("chest-1")[0] == said[1]  # type: ignore[index]
