"""The JSON side of the labeling desk, for programs that hold the token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, File, Form, Request, UploadFile

from components.cohort.task import Task
from components.labeling.request import Status
from components.labeling.request_row import request_row
from components.labeling.request_words import why
from dashboards.answers import answerer, find, take_file, take_row
from dashboards.packages import package
from dashboards.visitor import needs

router = APIRouter(prefix="/api")
router.get("/requests/{request_id}/package", dependencies=needs("viewer"))(package)


@router.get("/requests", dependencies=needs("viewer"))
def list_requests(
    request: Request, status: Status | None = None, task: Task | None = None
) -> list[dict[str, Any]]:
    """All requests, in the order of opening."""
    return [request_row(found) for found in request.app.state.store.requests(status=status, task=task)]


@router.get("/requests/{request_id}", dependencies=needs("viewer"))
def one_request(request: Request, request_id: str) -> dict[str, Any]:
    """One request, with its reason in words and what became of it."""
    found = find(request.app.state.store, request_id)
    outcome = ("label_sha256", "label_set_version", "answered_at", "opened_at", "budget_minutes")
    return {**request_row(found), "why": why(found), **{key: getattr(found, key) for key in outcome}}


@router.post("/requests/{request_id}/label-map", dependencies=needs("annotator"))
def answer_with_label_map(
    request: Request,
    request_id: str,
    later: BackgroundTasks,
    file: Annotated[UploadFile, File()],
    annotator: Annotated[str, Form()] = "",
    minutes: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """Accepted, or 422 with the reason."""
    state, who = request.app.state, answerer(request.state.visitor, annotator)
    take_file(state.desk, find(state.store, request_id), file, annotator=who, minutes=minutes)
    later.add_task(state.desk.publish)
    return one_request(request, request_id)


@router.post("/requests/{request_id}/findings", dependencies=needs("annotator"))
def answer_with_findings(
    request: Request,
    request_id: str,
    later: BackgroundTasks,
    findings: Annotated[dict[str, int | None], Body()],
    annotator: Annotated[str, Body()] = "",
    minutes: Annotated[float | None, Body()] = None,
) -> dict[str, Any]:
    """Accepted, or 422 with the reason."""
    state, who = request.app.state, answerer(request.state.visitor, annotator)
    row = {name: "" if value is None else str(value) for name, value in findings.items()}
    spent = "" if minutes is None else str(minutes)
    take_row(state.desk, find(state.store, request_id), row, annotator=who, minutes=spent)
    later.add_task(state.desk.publish)
    return one_request(request, request_id)
