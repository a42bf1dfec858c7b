"""The pages of the labeling desk, made on the server; they work without JavaScript too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import APIRouter, BackgroundTasks, Depends, Form, HTTPException, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from starlette.responses import Response

from components.cohort.task import TASKS
from components.errors import CtloopError, InputError
from components.labeling.request import LabelingRequest, Status
from components.labeling.request_words import REASON_WORDS, why
from components.volume.slices import (
    PLANE_AXIS,
    PLANES,
    WINDOWS,
    Plane,
    busiest_index,
    colour_of,
    legend,
    slice_rgb,
)  # fmt: skip
from dashboards.access import COOKIE, NoForgery, same
from dashboards.answers import find, take_file, take_row
from dashboards.desk import FrameView
from dashboards.packages import package
from dashboards.pictures import png

door = APIRouter(include_in_schema=False)
router = APIRouter(dependencies=[NoForgery], include_in_schema=False)
router.get("/requests/{request_id}/package.zip")(package)
templates = Jinja2Templates(directory=Path(__file__).with_name("templates"))
_STATUSES: tuple[str, ...] = get_args(Status)


def page(request: Request, template: str, code: int = 200, **values: Any) -> HTMLResponse:
    """A template with what all pages need."""
    shared = {"form_secret": request.app.state.secrets.form, "reasons": REASON_WORDS, "why": why}
    return templates.TemplateResponse(request, template, {**shared, **values}, status_code=code)


@door.get("/login")
def login_page(request: Request) -> Response:
    return page(request, "login.html", refused=False)


@door.post("/login")
def login(request: Request, token: Annotated[str, Form()] = "") -> Response:
    secrets = request.app.state.secrets
    if not same(token.strip(), secrets.token):
        return page(request, "login.html", 403, refused=True)
    response = RedirectResponse("/", 303)
    response.set_cookie(COOKIE, secrets.session, httponly=True, samesite="strict")
    return response


@router.post("/logout")
def logout() -> Response:
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/")
def requests_page(request: Request, status: str = "open", task: str = "") -> Response:
    """The list; ``status`` and ``task`` filter it, empty for all."""
    found = [item for item in request.app.state.store.requests() if not task or item.task == task]
    counts = {name: sum(item.status == name for item in found) for name in _STATUSES}
    return page(
        request,
        "requests.html",
        shown=[item for item in found if not status or item.status == status],
        counts=counts,
        status=status,
        task=task,
        tasks=TASKS,
        total=len(found),
    )


@router.get("/requests/{request_id}")
def request_page(request: Request, request_id: str) -> Response:
    return _request_page(request, find(request.app.state.store, request_id), refusal=None)


@router.get("/requests/{request_id}/slice/{plane}/{index}.png")
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


@router.post("/requests/{request_id}/label-map")
def answer_with_label_map(
    request: Request,
    request_id: str,
    later: BackgroundTasks,
    annotator: Annotated[str, Form()] = "",
    minutes: Annotated[str, Form()] = "",
    file: UploadFile | None = None,
) -> Response:
    state = request.app.state
    found = find(state.store, request_id)
    try:
        take_file(state.desk, found, file, annotator=annotator, minutes=minutes)
    except InputError as error:
        return _request_page(request, found, refusal=error)
    return _accepted(request, found, later)


async def form_fields(request: Request) -> dict[str, str]:
    """The text fields of a form: one per finding, and who answers."""
    return {key: value for key, value in (await request.form()).items() if isinstance(value, str)}


@router.post("/requests/{request_id}/findings")
def answer_with_findings(
    request: Request,
    request_id: str,
    later: BackgroundTasks,
    sent: Annotated[dict[str, str], Depends(form_fields)],
) -> Response:
    state = request.app.state
    found = find(state.store, request_id)
    who, minutes = sent.get("annotator", ""), sent.get("minutes", "")
    try:
        take_row(state.desk, found, sent, annotator=who, minutes=minutes)
    except InputError as error:
        return _request_page(request, found, refusal=error, sent=sent)
    return _accepted(request, found, later)


@router.get("/static/palette.css")
def palette() -> Response:
    """The legend's colours: the content security policy allows no style on the page itself."""
    rules = (f".label-{value}{{background:rgb{colour_of(value)}}}" for value in range(1, 33))
    return Response(
        "\n".join(rules), media_type="text/css", headers={"Cache-Control": "private, max-age=600"}
    )


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
