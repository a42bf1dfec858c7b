"""Every route of the application, by the role that it needs, asked by everybody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Mount, Route

from components.accounts.role import ROLES, Role, may
from components.adapters.sql_store import SqlStore
from dashboards.app import create_app
from dashboards.visitor import routes_of
from tests.dashboards.desk_server import TOKEN, TestClient, a_client, form_secret, made_app
from tests.pipelines.answering_workspace import CHEST_REQUEST, HEART_REQUEST

HEART, CHEST = HEART_REQUEST.id, CHEST_REQUEST.id
OPEN = {"GET /login", "POST /login", "GET /invitation/{secret}", "POST /invitation/{secret}",
        "GET /static/palette.css", "GET /static/niivue.js", "GET /static/htmx.js"}  # fmt: skip
MATRIX: dict[str, Role] = {
    "GET /requests/{request_id}": "viewer",
    "GET /requests/{request_id}/package.zip": "viewer",
    "GET /requests/{request_id}/slice/{plane}/{index}.png": "viewer",
    "POST /requests/{request_id}/label-map": "annotator",
    "POST /requests/{request_id}/findings": "annotator",
    "GET /api/openapi.json": "viewer",
    "GET /metrics": "viewer",
    "GET /api/requests": "viewer",
    "GET /api/requests/{request_id}": "viewer",
    "GET /api/requests/{request_id}/package": "viewer",
    "POST /api/requests/{request_id}/label-map": "annotator",
    "POST /api/requests/{request_id}/findings": "annotator",
    "POST /logout": "viewer",
    "POST /account/tokens": "viewer",
    "POST /account/password": "viewer",
    "POST /account/tokens/{token}/revoke": "viewer",
    "GET /models/{task}/lineage/drawing.svg": "viewer",
    "POST /models/{task}/promote": "engineer",
    "POST /models/{task}/rollback": "engineer",
    "GET /drift/{task}/timeline/{paper}.png": "viewer",
    "GET /labels/{task}/learning-curve/{paper}.png": "viewer",
    "POST /jobs/run": "engineer",
    "GET /jobs/{run}/log": "engineer",
    "GET /reports/{kind}/{task}/{name}": "viewer",
    "GET /api/cases/{task}/{case}/reading": "viewer",
    "GET /api/cases/{task}/{case}/frames/{frame}/scan.nii.gz": "viewer",
    "GET /api/cases/{task}/{case}/frames/{frame}/{layer}.nii.gz": "viewer",
    "GET /cases/{task}/{case}/frames/{frame}/thumbnail.png": "viewer",
    "POST /accounts": "admin",
    "POST /accounts/{name}/role": "admin",
    "POST /accounts/{name}/disable": "admin",
}
PAGES: dict[str, Role] = {
    "/": "viewer", "/models": "viewer", "/models/{task}/{version}": "viewer", "/drift": "viewer",
    "/drift/{task}/{batch}": "viewer", "/labels": "viewer", "/requests": "viewer", "/cases": "viewer",
    "/cases/{task}/{case}": "viewer",
    "/cases/{task}/{case}/viewer": "viewer", "/jobs": "viewer", "/audit": "admin", "/account": "viewer",
    "/accounts": "admin",
}  # fmt: skip
for page, needed in PAGES.items():
    data = "/overview" if page == "/" else page
    MATRIX[f"GET {page}"] = needed
    MATRIX[f"GET /api/pages{data}"] = needed
    MATRIX[f"GET /api/pages{data}/tables/{{table}}.csv"] = needed
PARTS = {
    "plane": "axial", "index": "3", "table": "none", "token": "0" * 12, "name": "nobody", "task": "segmentation",
    "version": "1", "batch": "batch-2", "case": "heart-07", "kind": "gate", "run": "1", "paper": "light",
    "frame": "heart-07__phase-040", "layer": "prediction",
}  # fmt: skip


def path_of(route: str) -> str:
    request = CHEST if route.endswith("findings") else HEART
    return route.split()[1].format_map({**PARTS, "request_id": request})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, SqlStore]]:
    app, _, store = made_app(tmp_path_factory.mktemp("roles"))
    yield app, store
    store.close()


@pytest.fixture(scope="module")
def visitors(made: tuple[FastAPI, SqlStore]) -> dict[Role, tuple[TestClient, str]]:
    clients = {role: a_client(made[0], role) for role in ROLES}
    return {role: (client, form_secret(client)) for role, client in clients.items()}


def test_the_matrix_names_every_route(made: tuple[FastAPI, SqlStore]) -> None:
    app = made[0]
    found = {f"{method} {route.path}" for route in routes_of(app) for method in route.methods - {"HEAD"}}
    plain = {f"GET {route.path}" for route in app.routes if isinstance(route, Route) and route.path}
    assert found | plain == MATRIX.keys() | OPEN
    assert [route.path for route in app.routes if isinstance(route, Mount)] == ["/static"]


@pytest.mark.parametrize("route", MATRIX)
def test_who_may_less_is_refused_and_who_may_is_not(
    visitors: dict[Role, tuple[TestClient, str]], route: str
) -> None:
    method = route.split()[0]
    for role in ROLES:
        if route == "POST /logout" and may(role, MATRIX[route]):
            continue  # it would end the session that the other routes need
        client, secret = visitors[role]
        reply = client.request(
            method, path_of(route), headers={"X-Ctloop-Form": secret} if method == "POST" else {}
        )
        assert (reply.status_code == 403) != may(role, MATRIX[route]), (role, reply.status_code, reply.text)
        assert reply.status_code < 500


@pytest.mark.parametrize("route", MATRIX)
def test_strangers_see_nothing(made: tuple[FastAPI, SqlStore], route: str) -> None:
    reply = a_client(made[0]).request(route.split()[0], path_of(route))
    programs = path_of(route).startswith(("/api/", "/metrics"))
    assert reply.status_code == (401 if programs else 303)
    assert programs or reply.headers["location"] == "/login"


@pytest.mark.parametrize("route", [route for route in MATRIX if route.startswith("POST")])
def test_no_form_without_its_secret(visitors: dict[Role, tuple[TestClient, str]], route: str) -> None:
    client, _ = visitors["admin"]
    for secret in ("", "0" * 64, visitors["viewer"][1]):
        assert client.post(path_of(route), headers={"X-Ctloop-Form": secret}).status_code == 403


@pytest.mark.parametrize("route", sorted(OPEN))
def test_the_doors_are_open(made: tuple[FastAPI, SqlStore], route: str) -> None:
    reply = a_client(made[0]).request(route.split()[0], route.split()[1].format(secret="none"))
    assert reply.status_code == {"GET": 200, "POST": 403}[route.split()[0]] or "invitation" in route
    assert reply.status_code < 500


def test_the_workspace_token_is_an_engineers(made: tuple[FastAPI, SqlStore]) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    client = a_client(made[0])
    assert client.get("/requests", headers=bearer).status_code == 200
    assert client.get("/accounts", headers=bearer).status_code == 403


def test_a_route_that_names_no_role_stops_the_start(made: tuple[FastAPI, SqlStore]) -> None:
    app = made[0]
    forgotten = APIRouter()
    forgotten.add_api_route("/forgotten", lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dashboards.app._ROUTERS", (forgotten,))
        with pytest.raises(RuntimeError, match="/forgotten"):
            create_app(
                store=app.state.store,
                desk=app.state.desk,
                loop=app.state.loop,
                reading=app.state.reading,
                entrance=app.state.entrance,
            )
