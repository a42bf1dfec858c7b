from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from components.errors import StateError
from dashboards import htmx
from tests.dashboards.desk_server import TestClient


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    htmx.script.cache_clear()
    yield
    htmx.script.cache_clear()


def test_the_installed_script_is_the_pinned_one() -> None:
    app = FastAPI()
    app.include_router(htmx.router)
    reply = TestClient(app).get("/static/htmx.js")
    assert hashlib.sha256(reply.content).hexdigest() == htmx.SHA256
    assert reply.headers["content-type"].startswith("text/javascript")


def test_another_script_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(htmx, "SHA256", "0" * 64)
    with pytest.raises(StateError, match="make install"):
        htmx.script()
