"""Models beside their pages: promote and roll back, with who and why; the lineage as a picture to save."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from components.cohort.task import Task
from components.errors import InputError, StateError
from dashboards.loop import Loop
from dashboards.models import MODELS, drawing, graph_of
from dashboards.reports import SEALED
from dashboards.views import html
from dashboards.visitor import needs

router = APIRouter(include_in_schema=False)


@router.get("/models/{task}/lineage/drawing.svg", dependencies=needs("viewer"))
def lineage(request: Request, task: Task) -> Response:
    """To be saved: it brings its own style."""
    graph = graph_of(_loop(request), task, _loop(request).ledger.entries("gate"))
    headers = {
        "Content-Security-Policy": SEALED,
        "Content-Disposition": f'inline; filename="lineage-{task}.svg"',
    }
    return Response(drawing(task, graph, alone=True), media_type="image/svg+xml", headers=headers)


@router.post("/models/{task}/promote", dependencies=needs("engineer"))
def promote(
    request: Request, task: Task, reason: Annotated[str, Form()] = "", override: Annotated[str, Form()] = ""
) -> Response:
    loop, who = _loop(request), request.state.visitor.name
    try:
        why = _reason(reason)
        loop.promote(task, by=who, override=why if override else None)
    except (InputError, StateError) as error:
        return html(request, MODELS, 409, refused=error)
    _audit(request, "promote", task, why)
    return RedirectResponse("/models", 303)


@router.post("/models/{task}/rollback", dependencies=needs("engineer"))
def roll_back(request: Request, task: Task, reason: Annotated[str, Form()] = "") -> Response:
    loop, who = _loop(request), request.state.visitor.name
    try:
        why = _reason(reason)
        loop.roll_back(task, by=who, reason=why)
    except (InputError, StateError) as error:
        return html(request, MODELS, 409, refused=error)
    _audit(request, "rollback", task, why)
    return RedirectResponse("/models", 303)


def _loop(request: Request) -> Loop:
    loop: Loop = request.app.state.loop
    return loop


def _audit(request: Request, action: str, task: Task, reason: str) -> None:
    """The ledger has the move; this line has who pressed the button and why."""
    request.app.state.entrance.access.store.audit(
        actor=request.state.visitor.name, action=action, subject=_loop(request).model_name(task),
        detail={"reason": reason},
    )  # fmt: skip


def _reason(text: str) -> str:
    if not text.strip() or len(text) > 500 or not text.isprintable():
        raise InputError(
            expected="a reason, in a line", got="none", hint="what a colleague will ask in a year"
        )
    return text.strip()
