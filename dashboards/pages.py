"""The pages of the labeling desk, made on the server; they work without JavaScript too."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from fastapi import APIRouter, BackgroundTasks, Depends, Form, HTTPException, Request, UploadFile
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from components.cohort.task import TASKS
from components.errors import CtloopError, InputError
from components.labeling.request import LabelingRequest, Status
from components.labeling.request_words import why
from components.volume.slices import (
    PLANE_AXIS,
    PLANES,
    WINDOWS,
    Plane,
    busiest_index,
    legend,
    slice_rgb,
)  # fmt: skip
from dashboards.answers import find, take_file, take_row
from dashboards.desk import FrameView
from dashboards.packages import package
from dashboards.pictures import png
from dashboards.rendering import page
from dashboards.table import Column, Table, View, query_of
from dashboards.views import Page
from dashboards.visitor import needs

router = APIRouter(include_in_schema=False)
router.get("/requests/{request_id}/package.zip", dependencies=needs("viewer"))(package)
_STATUSES: tuple[Status, ...] = get_args(Status)
REQUEST_COLUMNS = (
    Column(key="frame", title="Frame", link="href"),
    Column(key="task", title="Task"), Column(key="batch", title="Batch"),
    Column(key="reason", title="Reason"), Column(key="why", title="Why"),
    Column(key="model_version", title="Model"), Column(key="due", title="Due", kind="time"),
    Column(key="status", title="State", kind="state"), Column(key="id", title="Id", kind="code"),
)  # fmt: skip


def requests_view(request: Request) -> View:
    """The list, what is due first before the rest; ``status`` (open unless given) and ``task`` filter it."""
    store, query = request.app.state.store, query_of(request.query_params)
    asked = query.filters.get("status", "open")
    status = next((one for one in _STATUSES if one == asked), None)
    task = next((one for one in TASKS if one == query.get("task")), None)
    counts = store.request_counts()
    by_status = {
        one: sum(n for (of, name), n in counts.items() if name == one and task in (None, of))
        for one in _STATUSES
    }
    found = store.request_page(status=status, task=task, limit=query.limit, offset=query.offset)
    table = Table(
        key="requests",
        caption="Labeling requests",
        columns=REQUEST_COLUMNS,
        rows=[request_cells(item) for item in found],
        total=by_status[status] if status else sum(by_status.values()),
        offset=query.offset,
    )
    extra = {"counts": by_status, "status": status or "", "task": task or "", "tasks": TASKS}
    return View(title="Labeling requests", tables=(table,), extra={**extra, "shown_requests": found})


def request_cells(item: LabelingRequest) -> dict[str, Any]:
    """A request as a row of a page."""
    row = {key: getattr(item, key) for key in ("id", "task", "batch", "reason", "model_version", "status")}
    return {
        **row, "frame": item.frame_id, "why": why(item), "due": item.due[:10], "href": f"/requests/{item.id}",
    }  # fmt: skip


REQUESTS = Page(path="/requests", view=requests_view, menu="Requests", template="requests.html")


@router.get("/requests/{request_id}", dependencies=needs("viewer"))
def request_page(request: Request, request_id: str) -> Response:
    return _request_page(request, find(request.app.state.store, request_id), refusal=None)


@router.get("/requests/{request_id}/slice/{plane}/{index}.png", dependencies=needs("viewer"))
def slice_picture(
    request: Request, request_id: str, plane: Plane, index: int, window: str = "soft tissue", overlay: int = 1
) -> Response:
    found = find(request.app.state.store, request_id)
    if window not in WINDOWS:
        raise HTTPException(404, "There is no such window.")
    view: FrameView = request.app.state.desk.frame(found)
    labels = view.pre_annotation if overlay else None
    picture = slice_rgb(view.volume, plane, index, window=WINDOWS[window], label_map=labels)
    return Response(png(picture), media_type="image/png", headers={"Cache-Control": "private, max-age=600"})


@router.post("/requests/{request_id}/label-map", dependencies=needs("annotator"))
def answer_with_label_map(
    request: Request,
    request_id: str,
    later: BackgroundTasks,
    minutes: Annotated[str, Form()] = "",
    file: UploadFile | None = None,
) -> Response:
    state = request.app.state
    found = find(state.store, request_id)
    try:
        take_file(state.desk, found, file, annotator=request.state.visitor.name, minutes=minutes)
    except InputError as error:
        return _request_page(request, found, refusal=error)
    return _accepted(request, found, later)


async def form_fields(request: Request) -> dict[str, str]:
    """The text fields of a form: one per finding, and who answers."""
    return {key: value for key, value in (await request.form()).items() if isinstance(value, str)}


@router.post("/requests/{request_id}/findings", dependencies=needs("annotator"))
def answer_with_findings(
    request: Request,
    request_id: str,
    later: BackgroundTasks,
    sent: Annotated[dict[str, str], Depends(form_fields)],
) -> Response:
    state = request.app.state
    found = find(state.store, request_id)
    who, minutes = request.state.visitor.name, sent.get("minutes", "")
    try:
        take_row(state.desk, found, sent, annotator=who, minutes=minutes)
    except InputError as error:
        return _request_page(request, found, refusal=error, sent=sent)
    return _accepted(request, found, later)


def _accepted(request: Request, found: LabelingRequest, later: BackgroundTasks) -> Response:
    later.add_task(request.app.state.desk.publish)
    return RedirectResponse(f"/requests/{found.id}?accepted=1", 303, background=later)


def _request_page(
    request: Request,
    found: LabelingRequest,
    *,
    refusal: CtloopError | None,
    sent: dict[str, str] | None = None,
) -> Response:
    desk = request.app.state.desk
    try:
        view, unseen = desk.frame(found), None
    except InputError as error:
        view, unseen = None, error
    return page(
        request,
        "request.html",
        422 if refusal else 200,
        item=found,
        refusal=refusal,
        accepted=found.status == "answered" and "accepted" in request.query_params,
        unseen=unseen,
        planes=_planes(request, view) if view else (),
        windows=tuple(WINDOWS),
        window=_window(request, found),
        overlay=request.query_params.get("overlay", "1") != "0",
        legend=_legend(view),
        finding_names=desk.finding_names() if found.task == "classification" else (),
        sent=sent or {},
    )


def _planes(request: Request, view: FrameView) -> tuple[dict[str, Any], ...]:
    """For each plane: the axis' letter, the slice to show first, and how many there are."""
    shown = []
    for plane in PLANES:
        axis = PLANE_AXIS[plane]
        count = view.volume.geometry.shape[axis]
        first = busiest_index(view.pre_annotation, plane) if view.pre_annotation else count // 2
        asked = request.query_params.get("zyx"[axis], "")
        index = min(int(asked), count - 1) if asked.isdigit() and len(asked) < 6 else first
        shown.append({"name": plane, "axis": "zyx"[axis], "index": index, "count": count})
    return tuple(shown)


def _window(request: Request, found: LabelingRequest) -> str:
    asked = request.query_params.get("window", "")
    default = "contrast" if found.task == "segmentation" else "lung"
    return asked if asked in WINDOWS else default


def _legend(view: FrameView | None) -> tuple[tuple[int, str], ...]:
    if view is None or view.pre_annotation is None:
        return ()
    values = sorted(view.pre_annotation.names)
    return tuple(zip(values, (name for name, _ in legend(view.pre_annotation.names)), strict=True))
