"""The app on a made workspace, for tests, with a user of each role."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from components.accounts.account import User
from components.accounts.role import ROLES, Role
from components.adapters.argon2_passwords import Argon2Passwords
from components.adapters.sql_store import SqlStore
from components.operations.give_access import Access
from components.registry.registry import Registry
from dashboards.access import Entrance
from dashboards.app import create_app
from pipelines.composition import Services
from pipelines.serve import WorkspaceDesk
from pipelines.served_loop import WorkspaceLoop
from pipelines.served_reading import WorkspaceReading
from pipelines.workspace import Workspace
from tests.components.registry.fakes import RegistryInMemory
from tests.pipelines.answering_workspace import HEART_REQUEST, Versions, made_workspace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette asks for httpx2, which nothing else here uses
    from fastapi.testclient import TestClient

__all__ = ["NAMES", "PASSWORD", "TOKEN", "TestClient", "a_client", "form_secret", "made_access", "made_app"]

TOKEN = "a-token-for-tests"
PASSWORD = "four words put together"
NAMES: dict[Role, str] = {
    "viewer": "onlooker", "annotator": "reader-1", "engineer": "mlops-1", "admin": "chief",
}  # fmt: skip
_QUICK = Argon2Passwords(memory_kib=32, passes=1)
_HASH = _QUICK.hash(PASSWORD)


def made_access(store: SqlStore) -> Access:
    """A user of each role, with a password whose hash is cheap."""
    for role in ROLES:
        user = User(name=NAMES[role], role=role, created_at=HEART_REQUEST.opened_at, password_hash=_HASH)
        store.accounts.put_user(user, by="ctloop", action="user_invited")
    return Access(store=store.accounts, passwords=_QUICK)


def made_app(
    folder: Path, registry: Registry | None = None, run: Any = None, entrance: Any = None, **options: int
) -> tuple[FastAPI, Workspace, SqlStore]:
    """``run`` stands for the verbs that the pages call; ``entrance``: access → an entrance of another kind."""
    workspace, store = made_workspace(folder)
    desk = WorkspaceDesk(workspace, store, store, Versions())
    access = made_access(store)
    guarded = entrance(access) if entrance else Entrance(access=access, workspace_token=TOKEN)
    services = Services(workspace)
    # the store that the app has, and a registry without MLflow: cached properties, set before they are asked
    vars(services).update(store=store, registry=registry or RegistryInMemory())
    loop = WorkspaceLoop(services, **({"run": run} if run else {}))
    app = create_app(
        store=store, desk=desk, loop=loop, reading=WorkspaceReading(services), entrance=guarded, **options
    )
    return app, workspace, store


def a_client(app: FastAPI, role: Role | None = None, host: str = "127.0.0.1") -> TestClient:
    """A browser on ``host``; somebody of this role is logged in."""
    client = TestClient(app, base_url="http://127.0.0.1:8517", client=(host, 5000), follow_redirects=False)
    if role is not None:
        client.post("/login", data={"name": NAMES[role], "password": PASSWORD})
    return client


def form_secret(client: TestClient) -> str:
    """What the visitor's forms carry; every page has one to log out."""
    found = re.search(r'name="form_secret" value="(\w+)"', client.get("/account").text)
    assert found is not None
    return found[1]
