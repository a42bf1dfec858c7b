"""Templates, with what every page needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from components.labeling.request_words import REASON_WORDS, why
from dashboards.visitor import Visitor

_templates = Jinja2Templates(directory=Path(__file__).with_name("templates"))


def page(request: Request, template: str, code: int = 200, **values: Any) -> HTMLResponse:
    """A template with what all pages need."""
    visitor: Visitor | None = request.state.visitor
    shared = {
        "visitor": visitor,
        "form_secret": visitor.form_secret if visitor else "",
        "menu": request.app.state.menu,
        "here": request.url.path,
        "reasons": REASON_WORDS,
        "why": why,
    }
    return _templates.TemplateResponse(request, template, {**shared, **values}, status_code=code)


def shown(value: Any, kind: str) -> str:
    """A cell for a person: short times and numbers, a dash for nothing."""
    if value is None or value == "":
        return "–"
    if kind == "time":
        return str(value)[:16].replace("T", " ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and kind == "number" else str(value)


def address(path: str, params: Mapping[str, str], **changes: object) -> str:
    """``path`` with the query of ``params``, some of it changed; nothing that is empty or zero."""
    merged = {**params, **{key: str(value) for key, value in changes.items()}}
    kept = {key: value for key, value in merged.items() if value not in ("", "0")}
    return f"{path}?{urlencode(kept)}" if kept else path


_templates.env.filters["shown"] = shown
_templates.env.globals["address"] = address
