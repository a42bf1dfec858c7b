"""Scripts that installed packages carry, served from where pip put them: no copy lies here, no page asks the internet.

NiiVue lies in ipyniivue twice: bound into its widget, and whole, URL-encoded, as the text that the widget writes into
pages that people save. The second is an ES module as its makers build it, and is what we serve; the package is never
imported, and what it needs is not installed.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from components.errors import StateError


def whole_module(widget: str) -> str:
    """The string literal in ``widget`` that holds a library's exports, decoded; empty when there is none."""
    place = widget.find("export%7B")
    if place < 0:
        return ""
    return urllib.parse.unquote(widget[widget.rindex('"', 0, place) + 1 : widget.index('"', place)])


@dataclass(frozen=True, kw_only=True)
class InstalledScript:
    """``file`` of a package, of which ``part`` is served; ``sha256`` is that of what is served."""

    package: str
    file: str
    sha256: str
    part: Callable[[str], str] = str


SCRIPTS = {
    "htmx.js": InstalledScript(  # 2.0.3
        package="django-js-lib-htmx",
        file="js_lib_htmx/static/htmx/htmx.min.js",
        sha256="491955cd1810747d7d7b9ccb936400afb760e06d25d53e4572b64b6563b2784e",
    ),
    "niivue.js": InstalledScript(  # 0.65.0
        package="ipyniivue",
        file="ipyniivue/static/widget.js",
        sha256="35e7040be726521bdae73f2171df3bf2701cda991c10f8be9929231fceb30272",
        part=whole_module,
    ),
}


@cache
def content_of(script: InstalledScript) -> bytes:
    """``StateError`` when the installed file is another one, or none: no page runs what nobody looked at."""
    try:
        path = Path(str(distribution(script.package).locate_file(script.file)))
        content = script.part(path.read_text(encoding="utf-8")).encode()
    except (PackageNotFoundError, OSError) as error:
        raise _another(script, "none") from error
    if (found := hashlib.sha256(content).hexdigest()) != script.sha256:
        raise _another(script, found[:12])
    return content


def _another(script: InstalledScript, got: str) -> StateError:
    return StateError(
        expected=f"{script.file} with sha256 {script.sha256[:12]}", got=got, hint="`make install` once more"
    )


def _route(script: InstalledScript) -> Callable[[], Response]:
    def serve() -> Response:
        headers = {"Cache-Control": "private, max-age=86400"}
        return Response(content_of(script), media_type="text/javascript; charset=utf-8", headers=headers)

    return serve


door = APIRouter(include_in_schema=False)
for _name, _script in SCRIPTS.items():
    door.add_api_route(f"/static/{_name}", _route(_script), methods=["GET"])
