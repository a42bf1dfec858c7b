"""htmx, from the installed package and nowhere else; pages work without it too."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from components.errors import StateError

router = APIRouter(include_in_schema=False)
PACKAGE, FILE = "django-js-lib-htmx", "js_lib_htmx/static/htmx/htmx.min.js"
SHA256 = "491955cd1810747d7d7b9ccb936400afb760e06d25d53e4572b64b6563b2784e"  # htmx 2.0.3


@router.get("/static/htmx.js")
def htmx() -> Response:
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(script(), media_type="text/javascript; charset=utf-8", headers=headers)


@cache
def script() -> bytes:
    """Raises ``StateError`` when the installed file is another one: no page runs what nobody looked at."""
    content = Path(str(distribution(PACKAGE).locate_file(FILE))).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise StateError(
            expected=f"{FILE} with sha256 {SHA256[:12]}", got=found[:12], hint="`make install` once more"
        )
    return content
