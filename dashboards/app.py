"""The web application: a view of the loop and a door for its answers and decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from components.errors import CtloopError, StateError
from dashboards import (
    accounts,
    api,
    audit,
    cases,
    decisions,
    doors,
    drift,
    installed_scripts,
    jobs,
    labels,
    metrics,
    models,
    overview,
    pages,
    reports,
    viewer,
)
from dashboards.access import Entrance, Guard
from dashboards.desk import Desk, RequestBook
from dashboards.loop import Loop
from dashboards.reading import Reading
from dashboards.rendering import page
from dashboards.uploads import SizeLimit
from dashboards.views import Page, routes_for
from dashboards.visitor import role_of, routes_of

MOST_UPLOAD_BYTES = 256 * 2**20
PAGES: tuple[Page, ...] = (
    overview.OVERVIEW, models.MODELS, models.MODEL, drift.DRIFT, drift.WINDOW, labels.LABELS, pages.REQUESTS,
    cases.CASES, cases.CASE, viewer.VIEWER, jobs.JOBS, audit.AUDIT, accounts.ACCOUNTS, accounts.ACCOUNT,
)  # fmt: skip
_ROUTERS = (
    api.router, doors.door, doors.exits, installed_scripts.door, routes_for(PAGES), pages.router, decisions.router,
    drift.router, labels.router, jobs.router, reports.router, viewer.router, metrics.router, accounts.router,
)  # fmt: skip


def create_app(
    *,
    store: RequestBook,
    desk: Desk,
    loop: Loop,
    reading: Reading,
    entrance: Entrance,
    most_upload_bytes: int = MOST_UPLOAD_BYTES,
) -> FastAPI:
    """The application behind ``entrance``; all else that it needs comes through the others."""
    app = FastAPI(
        title="ctloop", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json", lifespan=_warming
    )  # fmt: skip
    app.state.store, app.state.desk, app.state.loop, app.state.entrance = store, desk, loop, entrance
    app.state.reading = reading
    app.state.menu = [one for one in PAGES if one.menu]
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")), name="static")
    app.add_exception_handler(CtloopError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(SizeLimit, most_bytes=most_upload_bytes)
    app.add_middleware(Guard, entrance=entrance)
    _expect_roles(app)
    return app


@asynccontextmanager
async def _warming(app: FastAPI) -> AsyncIterator[None]:
    """In the background: whoever comes first waits less, and what fails is said on the page that needs it."""
    warming = asyncio.create_task(asyncio.to_thread(app.state.loop.warm))
    yield
    app.state.reading.close()
    await asyncio.gather(warming, return_exceptions=True)


def _expect_roles(app: FastAPI) -> None:
    """A route that names no role would be open to every visitor."""
    open_to_all = {route.path for route in (*doors.door.routes, *installed_scripts.door.routes)}  # type: ignore[attr-defined]
    for route in routes_of(app):
        if role_of(route) is None and route.path not in open_to_all:
            raise RuntimeError(f"expected a role of {route.path}, got none, try dashboards.visitor.needs")


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, CtloopError)
    detail = {"expected": error.expected, "got": error.got, "hint": error.hint}
    code = 409 if isinstance(error, StateError) else 422
    return _say(request, code, str(error), detail)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _say(request, error.status_code, str(error.detail), {})


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = ", ".join(str(item["loc"][-1]) for item in error.errors())
    return _say(
        request, 422, f"expected other values, got unusable ones for {fields}, try /api/openapi.json", {}
    )


def _say(request: Request, status: int, message: str, detail: dict[str, str]) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": message, **detail}, status)
    return page(request, "error.html", status, status=status, message=message)
