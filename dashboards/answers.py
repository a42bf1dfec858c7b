"""One way in for answers, for the page and for the API."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import HTTPException, UploadFile

from components.errors import InputError
from components.labeling.findings_answer import check_minutes
from components.labeling.request import LabelingRequest
from components.labeling.request_store import RequestStore
from dashboards.desk import Desk
from dashboards.uploads import kept_briefly
from dashboards.visitor import Visitor


def find(store: RequestStore, request_id: str) -> LabelingRequest:
    """The request, or 404."""
    found = store.request(request_id)
    if found is None:
        raise HTTPException(404, "There is no such request.")
    return found


def take_file(
    desk: Desk, request: LabelingRequest, upload: UploadFile | None, *, annotator: str, minutes: str
) -> None:
    """Hand an uploaded label map to the desk; ``InputError`` with the reason when it is refused."""
    if upload is None or not upload.filename:
        raise InputError(expected="a label map", got="no file", hint="choosing the file first")
    who, spent = _who(annotator), check_minutes(minutes)
    with kept_briefly(upload) as file:
        desk.take_label_map(request, file, annotator=who, minutes=spent)


def take_row(
    desk: Desk, request: LabelingRequest, row: Mapping[str, str], *, annotator: str, minutes: str
) -> None:
    """Hand findings to the desk; ``InputError`` with the reason when they are refused."""
    known = {name: row[name] for name in desk.finding_names() if name in row}
    desk.take_findings(request, known, annotator=_who(annotator), minutes=check_minutes(minutes))


def answerer(visitor: Visitor, named: str) -> str:
    """Who answers: the visitor, or for a program that may do more than answer, whom it names."""
    if not named.strip() or named.strip() == visitor.name:
        return visitor.name
    if not (visitor.by_program and visitor.may("engineer")):
        raise HTTPException(403, f"You answer as {visitor.name}; another name needs an engineer's token.")
    return named


def _who(annotator: str) -> str:
    if not annotator.strip() or len(annotator) > 100 or not annotator.isprintable():
        raise InputError(
            expected="who answers", got="nothing readable", hint="your role or pseudonym: reader-1"
        )
    return annotator.strip()
