"""The app on a made workspace, for tests."""

from __future__ import annotations

import warnings
from pathlib import Path

from fastapi import FastAPI

from components.adapters.sql_store import SqlStore
from dashboards.app import create_app
from pipelines.serve import WorkspaceDesk
from pipelines.workspace import Workspace
from tests.pipelines.answering_workspace import Versions, made_workspace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette asks for httpx2, which nothing else here uses
    from fastapi.testclient import TestClient

__all__ = ["TOKEN", "TestClient", "made_app"]

TOKEN = "a-token-for-tests"


def made_app(folder: Path, **options: int) -> tuple[FastAPI, Workspace, SqlStore]:
    workspace, store = made_workspace(folder)
    desk = WorkspaceDesk(workspace, store, store, Versions())
    return create_app(store=store, desk=desk, token=TOKEN, **options), workspace, store
