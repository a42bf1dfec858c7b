from __future__ import annotations

from dataclasses import replace

from components.labeling.request import LabelingRequest
from components.operations.open_requests import open_requests
from tests.components.operations.request_fakes import RequestsInMemory

FIRST = LabelingRequest(
    task="segmentation", case_id="heart-1", frame_id="heart-1__phase-040", patient_id="p", batch="b",
    reason="uncertainty", measured=0.42, threshold=0.3, model_version="m/1", evidence="e",
    budget_minutes=30.0, opened_at="2026-01-01T00:00:00+00:00", due="2026-01-15",
)  # fmt: skip
OTHER_FRAME = replace(FIRST, frame_id="heart-1__phase-050")
OTHER_REASON = replace(FIRST, reason="temporal_jump")


def test_the_first_reason_for_a_frame_wins_and_the_other_names_it() -> None:
    opened, already = open_requests(RequestsInMemory(), [FIRST, OTHER_FRAME, OTHER_REASON])
    assert opened == (FIRST, OTHER_FRAME)
    assert [(item.candidate, item.standing) for item in already] == [(OTHER_REASON, FIRST)]
    assert not already[0].same_evidence


def test_the_same_candidates_again_open_nothing() -> None:
    store = RequestsInMemory()
    open_requests(store, [FIRST, OTHER_FRAME])
    opened, already = open_requests(store, [FIRST, OTHER_FRAME])
    assert opened == ()
    assert all(item.same_evidence for item in already)


def test_an_answered_frame_is_not_asked_for_again() -> None:
    store = RequestsInMemory()
    open_requests(store, [FIRST])
    store.mark_answered(FIRST.id, label_sha256="a" * 64, annotator="r", minutes=None)
    assert open_requests(store, [replace(FIRST, evidence="new")]).opened == ()
