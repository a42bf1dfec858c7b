"""The JSON side of the labeling desk, for programs that hold the token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, File, Form, Request, UploadFile

from components.cohort.task import Task
from components.labeling.request import Status
from components.labeling.request_row import request_row
from components.labeling.request_words import why
from dashboards.access import NoForgery
from dashboards.answers import find, take_file, take_row
from dashboards.packages import package

router = APIRouter(prefix="/api", dependencies=[NoForgery])
router.get("/requests/{request_id}/package")(package)


@router.get("/requests")
def list_requests(
    request: Request, status: Status | None = None, task: Task | None = None
) -> list[dict[str, Any]]:
    """All requests, in the order of opening."""
    return [request_row(found) for found in request.app.state.store.requests(status=status, task=task)]


@router.get("/requests/{request_id}")
def one_request(request: Request, request_id: str) -> dict[str, Any]:
    """One request, with its reason in words and what became of it."""
    found = find(request.app.state.store, request_id)
    outcome = ("label_sha256", "label_set_version", "answered_at", "opened_at", "budget_minutes")
    return {**request_row(found), "why": why(found), **{key: getattr(found, key) for key in outcome}}


@router.post("/requests/{request_id}/label-map")
def answer_with_label_map(
    request: Request,
    request_id: str,
    later: BackgroundTasks,
    file: Annotated[UploadFile, File()],
    annotator: Annotated[str, Form()],
    minutes: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """Accepted, or 422 with the reason."""
    state = request.app.state
    take_file(state.desk, find(state.store, request_id), file, annotator=annotator, minutes=minutes)
    later.add_task(state.desk.publish)
    return one_request(request, request_id)


@router.post("/requests/{request_id}/findings")
def answer_with_findings(
    request: Request,
    request_id: str,
    later: BackgroundTasks,
    findings: Annotated[dict[str, int | None], Body()],
    annotator: Annotated[str, Body()],
    minutes: Annotated[float | None, Body()] = None,
) -> dict[str, Any]:
    """Accepted, or 422 with the reason."""
    state = request.app.state
    row = {name: "" if value is None else str(value) for name, value in findings.items()}
    spent = "" if minutes is None else str(minutes)
    take_row(state.desk, find(state.store, request_id), row, annotator=annotator, minutes=spent)
    later.add_task(state.desk.publish)
    return one_request(request, request_id)
