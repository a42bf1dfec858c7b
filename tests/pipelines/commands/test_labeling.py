"""A person withdraws a request, and says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.errors import StateError
from pipelines.cli import app
from tests.pipelines.answering_workspace import HEART_REQUEST, made_workspace


def test_a_cancelled_request_keeps_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTLOOP_STATE", raising=False)
    workspace, store = made_workspace(tmp_path)
    words = ["requests", "cancel", HEART_REQUEST.id, "--reason", "metal artefacts", "--json"]
    done = CliRunner().invoke(app, [*words, "--workspace", str(workspace.root)])
    assert json.loads(done.stdout)["status"] == "cancelled"
    assert [request.id for request in store.requests(status="cancelled")] == [HEART_REQUEST.id]
    assert store.audit_log(HEART_REQUEST.id)[-1].detail == {"because": "metal artefacts"}
    store.close()


def test_an_unknown_request_is_not_cancelled(tmp_path: Path) -> None:
    workspace, store = made_workspace(tmp_path)
    store.close()
    words = ["requests", "cancel", "rnone", "--reason", "x", "--workspace", str(workspace.root)]
    error = CliRunner().invoke(app, words).exception
    assert isinstance(error, StateError)
    assert "rnone" in str(error)
