"""Use case: take an expert's answer, or refuse it with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.cohort.labels import LabelSidecar, findings_sha256, label_map_sha256
from components.cohort.task import Task
from components.errors import InputError
from components.labeling.answer_check import AnswerCheck
from components.labeling.answer_shelf import AnswerShelf
from components.labeling.drawn_label_map import DrawnLabelMap
from components.labeling.request import LabelingRequest
from components.labeling.request_store import RequestStore
from components.volume.geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class Answerer:
    """Who answers, how long it took, and whether an answer nobody asked for, or a second one, is meant."""

    annotator: str
    minutes: float | None = None
    unasked: bool = False


def accept_label_map(
    frame_id: str,
    drawn: DrawnLabelMap,
    *,
    request: LabelingRequest | None,
    native: Geometry,
    check: AnswerCheck,
    by: Answerer,
    shelf: AnswerShelf,
    store: RequestStore,
) -> LabelSidecar:
    """Validate a drawn label map of ``frame_id``, shelve it, then mark its request answered.

    Safe to repeat after a kill: the file comes first, and the same answer again changes nothing.
    Raises ``InputError`` with the reason of the refusal.
    """
    label_map = check.label_map(drawn, native)
    sidecar = _sidecar(label_map_sha256(label_map), request, by)
    return _accept(
        "segmentation", frame_id, request, sidecar, by, store,
        lambda: shelf.put_label_map(frame_id, label_map, sidecar),
    )  # fmt: skip


def accept_findings(
    case_id: str,
    findings: Mapping[str, int | None],
    *,
    request: LabelingRequest | None,
    by: Answerer,
    shelf: AnswerShelf,
    store: RequestStore,
) -> LabelSidecar:
    """The same for the findings of a case, already checked by ``check_findings``."""
    sidecar = _sidecar(findings_sha256(findings), request, by)
    return _accept(
        "classification", case_id, request, sidecar, by, store,
        lambda: shelf.put_findings(case_id, findings, sidecar),
    )  # fmt: skip


def _sidecar(sha256: str, request: LabelingRequest | None, by: Answerer) -> LabelSidecar:
    # no time of day: the answers are a data version, and the same answers must make the same one
    return LabelSidecar(
        provenance="expert",
        label_sha256=sha256,
        annotator=by.annotator,
        minutes=by.minutes,
        request_id=request.id if request else None,
        model_version=request.model_version if request else None,
    )


def _accept(
    task: Task,
    name: str,
    request: LabelingRequest | None,
    sidecar: LabelSidecar,
    by: Answerer,
    store: RequestStore,
    put: Callable[[], None],
) -> LabelSidecar:
    if request is None and not by.unasked:
        raise InputError(
            expected=f"a labeling request for {name}", got="none", hint="`--unasked` to take it all the same"
        )
    if request is not None:
        _check_request(request, sidecar, by)
    put()
    if request is None:
        store.record_unasked(
            task, name, label_sha256=sidecar.label_sha256, annotator=by.annotator, minutes=by.minutes
        )
    else:
        store.mark_answered(
            request.id, label_sha256=sidecar.label_sha256, annotator=by.annotator, minutes=by.minutes
        )
    return sidecar


def _check_request(request: LabelingRequest, sidecar: LabelSidecar, by: Answerer) -> None:
    if request.status == "cancelled":
        raise InputError(
            expected=f"an open request {request.id}",
            got="one that was cancelled",
            hint="`ctloop requests list --status open`",
        )
    if request.status == "answered" and request.label_sha256 != sidecar.label_sha256 and not by.unasked:
        raise InputError(
            expected=f"the request {request.id} to be open",
            got="a different answer that was accepted before",
            hint="`--unasked` to replace the earlier answer",
        )
