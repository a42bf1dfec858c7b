"""Every writing job is in the history, with how it ended; what ran inside it is not, nor is what it was given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from components.adapters.sql_store import JobRun, open_store
from components.errors import InputError
from pipelines.checkup import stores
from pipelines.lease import writes
from pipelines.workspace import Workspace

KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.lease import writes
@writes("ctloop retrain")
def retrain(workspace):
    os.kill(os.getpid(), signal.SIGKILL)
retrain(workspace=Path(sys.argv[1]))
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in ("CTLOOP_STATE", "CTLOOP_DATABASE_URL", "CTLOOP_LEASE"):
        monkeypatch.delenv(name, raising=False)
    workspace = Workspace.at(tmp_path)
    workspace.params.parent.mkdir()
    workspace.params.touch()
    return workspace


def run(workspace: Workspace, name: str, work: Callable[[], object] = lambda: None) -> None:
    @writes(f"ctloop {name}")
    def verb(*, workspace: Path) -> None:
        work()

    verb(workspace=workspace.root)


def history(workspace: Workspace) -> tuple[JobRun, ...]:
    store = open_store(workspace.database_url)
    runs = store.jobs()
    store.close()
    return runs


def raises(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_a_run_has_start_end_and_status(workspace: Workspace) -> None:
    during: list[JobRun] = []
    run(workspace, "labels import", lambda: during.extend(history(workspace)))
    (running,) = during
    assert (running.kind, running.status, running.ended) == ("labels import", "running", None)
    (done,) = history(workspace)
    assert (done.id, done.started, done.status, done.detail) == (running.id, running.started, "done", {})
    assert done.ended is not None


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (InputError(expected="a scan", got="Doe^Jane.dcm", hint="x"), "failed", {"error": "InputError"}),
        (typer.Exit(1), "refused", {}),
        (KeyboardInterrupt(), "interrupted", {}),
    ],
)
def test_the_history_says_how_a_job_ended_and_names_nobody(
    workspace: Workspace, error: BaseException, status: str, detail: dict[str, str]
) -> None:
    with pytest.raises(type(error)):
        run(workspace, "add", raises(error))
    (ended,) = history(workspace)
    assert (ended.status, ended.detail) == (status, detail)
    assert ended.ended is not None


def test_a_killed_job_runs_until_the_next_one_finds_it(workspace: Workspace) -> None:
    subprocess.run((sys.executable, "-c", KILLED, str(workspace.root)), check=False)
    (killed,) = history(workspace)
    assert (killed.kind, killed.status, killed.ended) == ("retrain", "running", None)
    run(workspace, "add")
    assert [(job.kind, job.status) for job in history(workspace)] == [
        ("retrain", "interrupted"),
        ("add", "done"),
    ]


def test_a_job_inside_a_job_is_part_of_it(workspace: Workspace) -> None:
    run(workspace, "loop", lambda: run(workspace, "add"))
    assert [(job.kind, job.status) for job in history(workspace)] == [("loop", "done")]


def test_the_doctor_shows_the_last_run(workspace: Workspace) -> None:
    run(workspace, "add")
    run(workspace, "train")
    found = stores.database(workspace).found
    assert found.startswith("reachable and migrated, 2 job runs, the last: train, done, of ")
