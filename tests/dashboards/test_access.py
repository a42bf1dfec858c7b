"""The page beyond loopback: other machines, by the names that were given, over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from dashboards.access import LOOPBACK, Entrance
from tests.dashboards.desk_server import NAMES, PASSWORD, TestClient, form_secret, made_app

HOST = "ctloop.hospital.example"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    inner, _, store = made_app(
        tmp_path,
        entrance=lambda access: Entrance(
            access=access, workspace_token="t", names=(*LOOPBACK, HOST), beyond_loopback=True
        ),
    )
    yield inner
    store.close()


def client(app: FastAPI, host: str) -> TestClient:
    return TestClient(app, base_url=f"https://{host}", client=("192.0.2.7", 5000), follow_redirects=False)


def test_another_machine_logs_in_with_a_cookie_for_tls_only(app: FastAPI) -> None:
    far = client(app, HOST)
    reply = far.post("/login", data={"name": NAMES["viewer"], "password": PASSWORD})
    assert reply.status_code == 303
    assert "Secure" in reply.headers["set-cookie"]
    assert far.get("/account").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", f"{HOST}.evil.example", "192.0.2.1", f"x.{HOST}"])
def test_names_that_were_not_given_are_refused(app: FastAPI, host: str) -> None:
    assert client(app, host).get("/login").status_code == 403


def test_an_invitation_names_the_address_that_the_admin_uses(app: FastAPI) -> None:
    chief = client(app, HOST)
    chief.post("/login", data={"name": NAMES["admin"], "password": PASSWORD})
    fields = {"form_secret": form_secret(chief), "name": "reader-9", "role": "viewer"}
    assert f"https://{HOST}/invitation/" in chief.post("/accounts", data=fields).text
