"""Use case: take an expert's answer, or refuse it with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from components.cohort.labels import LabelSidecar, findings_sha256, label_map_sha256
from components.cohort.task import Task
from components.errors import InputError
from components.labeling.answer_check import AnswerCheck
from components.labeling.answer_shelf import AnswerShelf
from components.labeling.drawn_label_map import DrawnLabelMap
from components.labeling.request import LabelingRequest
from components.labeling.request_store import RequestStore
from components.labeling.second_reading import SecondReading, paired_findings
from components.metrics.overlap import dice_per_structure
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

    Safe to repeat after a kill: the file comes first, and the same answer again changes nothing. How far it agrees with
    another reader's earlier answer is kept before that one gives way.
    Raises ``InputError`` with the reason of the refusal.
    """
    label_map = check.label_map(drawn, native)
    sidecar = _sidecar(label_map_sha256(label_map), request, by)

    def put() -> None:
        if (earlier := shelf.label_map(frame_id)) is not None and _is_other_reader(earlier[1], by):
            dice = dice_per_structure(earlier[0], label_map)
            store.record_second_reading(frame_id, _reading("segmentation", earlier[1], sidecar, dice=dice))
        shelf.put_label_map(frame_id, label_map, sidecar)

    return _accept("segmentation", frame_id, request, sidecar, by, store, put)


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

    def put() -> None:
        if (earlier := shelf.findings(case_id)) is not None and _is_other_reader(earlier[1], by):
            pairs = paired_findings(earlier[0], findings)
            store.record_second_reading(
                case_id, _reading("classification", earlier[1], sidecar, findings=pairs)
            )
        shelf.put_findings(case_id, findings, sidecar)

    return _accept("classification", case_id, request, sidecar, by, store, put)


def _is_other_reader(earlier: LabelSidecar, by: Answerer) -> bool:
    """Who answers again corrects; only another reader tells how well readers agree."""
    return earlier.annotator is not None and earlier.annotator != by.annotator


def _reading(task: Task, earlier: LabelSidecar, later: LabelSidecar, **said: Any) -> SecondReading:
    return SecondReading(
        task=task,
        readers=(str(earlier.annotator), str(later.annotator)),
        labels=(earlier.label_sha256, later.label_sha256),
        **said,
    )


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
