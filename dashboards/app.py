"""The web application: a view of the requests and a door for their answers."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from components.errors import CtloopError, StateError
from components.labeling.request_store import RequestStore
from dashboards import api, pages
from dashboards.access import Guard, Secrets
from dashboards.desk import Desk
from dashboards.uploads import SizeLimit

MOST_UPLOAD_BYTES = 256 * 2**20


def create_app(
    *, store: RequestStore, desk: Desk, token: str, most_upload_bytes: int = MOST_UPLOAD_BYTES
) -> FastAPI:
    """The labeling desk behind ``token``; everything else it needs comes through ``store`` and ``desk``."""
    app = FastAPI(title="ctloop", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.store, app.state.desk, app.state.secrets = store, desk, Secrets(token)
    app.include_router(api.router)
    app.include_router(pages.door)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")), name="static")
    app.add_exception_handler(CtloopError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(SizeLimit, most_bytes=most_upload_bytes)
    app.add_middleware(Guard, secrets=app.state.secrets)
    return app


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, CtloopError)
    detail = {"expected": error.expected, "got": error.got, "hint": error.hint}
    return _say(request, 409 if isinstance(error, StateError) else 422, str(error), detail)


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
    return pages.page(request, "error.html", status, status=status, message=message)
