from __future__ import annotations

import fcntl
import re
import stat
from pathlib import Path

import pytest

from components.adapters.argon2_passwords import Argon2Passwords
from components.adapters.blosc_store import load_volume
from components.errors import ParameterError, StateError
from components.operations.give_access import Access
from pipelines.params import load_section
from pipelines.serve import ServeParams, WorkspaceDesk, serve, serve_token
from pipelines.workspace import Workspace
from tests.pipelines.answering_workspace import (
    CHEST_REQUEST,
    HEART_REQUEST,
    Versions,
    heart_volume,
    made_workspace,
)


def test_the_token_is_made_once_and_nobody_else_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(root=tmp_path, state=tmp_path / "state")
    token = serve_token(workspace)
    assert token in capsys.readouterr().err
    assert stat.S_IMODE((workspace.state / "serve.token").stat().st_mode) == 0o600
    assert serve_token(workspace) == token
    assert token not in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "example.org"])
def test_only_this_machine_unless_tls_and_names_are_given(tmp_path: Path, host: str) -> None:
    workspace, store = made_workspace(tmp_path)
    with pytest.raises(ParameterError, match="loopback"):
        serve(workspace, host=host)
    store.close()


def test_no_other_machine_before_an_admin_has_a_password(tmp_path: Path) -> None:
    workspace, store = made_workspace(tmp_path)
    for name in ("certificate.pem", "key.pem"):
        (tmp_path / name).touch()
    tls = f"certificate: {tmp_path}/certificate.pem, key: {tmp_path}/key.pem"
    workspace.params.write_text(f"serve: {{{tls}, names: [ctloop.hospital.example]}}\n")
    with pytest.raises(StateError, match="an admin who has a password"):
        serve(workspace, host="0.0.0.0")
    store.close()


def test_the_first_start_prints_a_link_for_the_first_admin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn

    started: list[dict[str, object]] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: started.append({"app": app, **options}))
    workspace, store = made_workspace(tmp_path)
    serve(workspace)
    found = re.search(r"http://127\.0\.0\.1:8517/invitation/([\w-]+)", capsys.readouterr().err)
    assert found is not None
    assert (started[0]["host"], started[0]["ssl_certfile"]) == ("127.0.0.1", None)
    Access(store=store.accounts, passwords=Argon2Passwords(memory_kib=32, passes=1)).take_up(
        found[1], "four words put together"
    )
    serve(workspace)
    assert "/invitation/" not in capsys.readouterr().err
    store.close()


def test_the_desk_shows_frames_upright_and_keeps_them(tmp_path: Path) -> None:
    workspace, store = made_workspace(tmp_path)
    desk = WorkspaceDesk(workspace, store, store, Versions())
    view = desk.frame(HEART_REQUEST)
    assert view.volume.geometry.orientation == "LPS"
    assert view.pre_annotation is not None
    assert view.pre_annotation.geometry.matches(view.volume.geometry)
    assert sorted(view.volume.voxels_hu.ravel()) == sorted(heart_volume().voxels_hu.ravel())
    assert desk.frame(HEART_REQUEST) is view
    assert desk.frame(CHEST_REQUEST).pre_annotation is None
    store.close()


def test_a_busy_dvc_does_not_lose_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def busy(path: Path) -> str:
        raise StateError(expected="DVC's lock", got="another process", hint="waiting")

    workspace, store = made_workspace(tmp_path)
    desk = WorkspaceDesk(workspace, store, store, busy)
    desk.take_findings(CHEST_REQUEST, {"emphysema": "1"}, annotator="reader-1", minutes=None)
    desk.publish()
    assert "no new data version yet" in capsys.readouterr().err
    again = WorkspaceDesk(workspace, store, store, Versions())
    again.publish()
    found = store.request(CHEST_REQUEST.id)
    assert found is not None
    assert found.label_set_version == "version-of-1-classification"
    store.close()


def test_an_answer_waits_while_another_job_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace, store = made_workspace(tmp_path)
    versions = Versions()
    desk = WorkspaceDesk(workspace, store, store, versions)
    desk.take_findings(CHEST_REQUEST, {"emphysema": "1"}, annotator="reader-1", minutes=None)
    with workspace.lease.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        desk.publish()
    assert "no other job writes" in capsys.readouterr().err
    assert versions.added == []
    desk.publish()
    assert versions.added == ["classification"]
    store.close()


def test_the_shipped_port(tmp_path: Path) -> None:
    workspace, store = made_workspace(tmp_path)
    assert load_section(ServeParams, workspace.params, "serve") == ServeParams()
    assert load_volume(workspace.ingested("segmentation") / "volumes" / "heart-08.b2nd").voxels_hu.any()
    store.close()
