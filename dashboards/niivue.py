"""NiiVue, served from where pip has put it: no copy of it lies in this project, and no page asks the internet.

The package ipyniivue carries the library twice in its widget: bound into it, and whole, URL-encoded, as the text that
it writes into pages that people save. The second is an ES module as its makers build it, and is what we serve. The
package is never imported: of what it needs, nothing is installed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import urllib.parse
from functools import lru_cache
from pathlib import Path

from components.errors import StateError

SHA256 = "35e7040be726521bdae73f2171df3bf2701cda991c10f8be9929231fceb30272"
"""Of NiiVue 0.65.0 as ipyniivue 2.4.4 carries it."""
_WIDGET = "ipyniivue/static/widget.js"
_EXPORTS = "export%7B"


@lru_cache(maxsize=1)
def niivue_module() -> bytes:
    """The ES module; ``StateError`` where the package is missing or is another one."""
    try:
        widget = importlib.metadata.distribution("ipyniivue").locate_file(_WIDGET)
        text = Path(str(widget)).read_text(encoding="utf-8")
    except (importlib.metadata.PackageNotFoundError, OSError) as error:
        raise _another("none") from error
    module = _whole_module(text).encode()
    if (found := hashlib.sha256(module).hexdigest()) != SHA256:
        raise _another(f"one of hash {found[:12]}")
    return module


def _whole_module(widget: str) -> str:
    """The string literal that holds the library's exports, decoded; empty when there is none."""
    place = widget.find(_EXPORTS)
    if place < 0:
        return ""
    return urllib.parse.unquote(widget[widget.rindex('"', 0, place) + 1 : widget.index('"', place)])


def _another(got: str) -> StateError:
    return StateError(expected=f"the NiiVue of hash {SHA256[:12]}", got=got, hint="`make install`")
