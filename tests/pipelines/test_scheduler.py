"""The daemon and the run-once verb as processes, with the real verbs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from components.errors import ParameterError
from pipelines.cli import app
from pipelines.composition import Services
from pipelines.ledger import verify
from pipelines.scheduler import job_named, scheduler_params
from tests.components.adapters.databases import BOTH, empty_database
from tests.components.adapters.notice_servers import smtp_server, webhook_server
from tests.pipelines.schedule.scheduled import made_services, story
from tests.pipelines.schedule.test_supervisor import alive, wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=BOTH)
def services(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    for name in ("CTLOOP_STATE", "CTLOOP_MLFLOW_URI", "CTLOOP_LEASE"):
        monkeypatch.delenv(name, raising=False)
    for url in empty_database(request.param, tmp_path):
        monkeypatch.setenv("CTLOOP_DATABASE_URL", url)
        services = made_services(tmp_path / "w")
        set_scheduler(services, poll_seconds=0.2, lease_seconds=10.0, back_off_minutes=0.0)
        yield services
        services.store.close()


def set_scheduler(services: Services, **changes: object) -> None:
    tree = yaml.safe_load(services.workspace.params.read_text())
    tree["scheduler"] |= changes
    services.workspace.params.write_text(yaml.safe_dump(tree))


def start(services: Services, *words: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "pipelines.cli", *words, "--workspace", str(services.workspace.root))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


def test_the_shipped_parameters_are_sound(services: Services) -> None:
    params = scheduler_params(services)
    assert params.jobs["retrain"].cron is None
    set_scheduler(services, time_zone="Europe/Nowhere")
    with pytest.raises(ParameterError, match="time zone"):
        scheduler_params(services)
    set_scheduler(services, time_zone="UTC", jobs={"retrian": {"cron": None, "timeout_minutes": 1.0}})
    with pytest.raises(ParameterError, match="retrian"):
        scheduler_params(services)


@pytest.mark.slow
def test_a_missed_run_is_made_up_for_by_the_daemon_and_the_history_shows_it(services: Services) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    services.store.runs.schedule("verify", accounted=yesterday, seen=0)
    daemon = start(services, "scheduler")
    try:
        wait_for(lambda: [status for _, status, _ in story(services)] == ["done"])
    finally:
        daemon.send_signal(signal.SIGTERM)
        _, said = daemon.communicate(timeout=180)
    assert daemon.returncode == 0
    assert "verify is due (missed)" in said
    assert "ctloop: stopped; nothing at work" in said
    words = ["scheduler", "--history", "5", "--workspace", str(services.workspace.root)]
    shown = CliRunner().invoke(app, words)
    assert "verify  done (exit code 0), attempt 1, by missed" in shown.output


@pytest.mark.slow
def test_the_server_answers_while_it_runs_what_was_missed(services: Services) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    services.store.runs.schedule("verify", accounted=yesterday, seen=0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = start(services, "serve", "--schedule", "--port", str(port))
    try:
        wait_for(lambda: [status for _, status, _ in story(services)] == ["done"])
        answer = httpx.get(f"http://127.0.0.1:{port}/", follow_redirects=True, timeout=30.0)
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=180)
    assert answer.status_code < 500
    assert server.returncode == 0
    assert not unfinished(services)


@pytest.mark.slow
def test_once_runs_the_verb_with_its_exit_code_and_tells_by_both_channels(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.store.append("gate", "m/1", {})
    services.workspace.ledger_head.write_text(f"9:{'a' * 64}\n")
    with webhook_server() as hook, smtp_server() as post:
        monkeypatch.setenv("CTLOOP_WEBHOOK_URL", f"http://127.0.0.1:{hook.port}/")
        monkeypatch.setenv("CTLOOP_SMTP_URL", f"smtp://127.0.0.1:{post.port}")
        monkeypatch.setenv("CTLOOP_MAIL_TO", "engineer@example.org")
        process = start(services, "scheduler", "--once", "verify")
        process.communicate(timeout=180)
    assert process.returncode == 3
    assert story(services) == [(1, "failed", 3)]
    assert b"verify failed (exit code 3)" in hook.posts[0][1]
    assert b"Subject: ctloop: verify failed" in post.mails[0][1]
    (run,) = services.store.runs.runs()
    assert "entry 2: missing" in (services.workspace.scheduler_logs / f"{run.id}.log").read_text()


@pytest.mark.slow
def test_killed_at_random_instants_the_history_loses_nothing(services: Services) -> None:
    """The daemon and whatever it had started are killed ten times; every run ends, and the ledger holds."""
    instants = np.random.default_rng(0).uniform(0.2, 5.0, size=10)
    for round_, seconds in enumerate(instants):
        services.store.append("gate", f"m/{round_}", {"round": round_})
        services.store.runs.queue("verify", "by hand")
        daemon = start(services, "scheduler")
        time.sleep(float(seconds))
        for process in (daemon.pid, *supervisors(services)):
            os.kill(process, signal.SIGKILL)
        daemon.communicate()
    last = start(services, "scheduler")
    try:
        wait_for(lambda: not unfinished(services))
    finally:
        last.send_signal(signal.SIGTERM)
        last.communicate(timeout=180)
    runs = services.store.runs.runs("verify")
    assert {run.status for run in runs} <= {"done", "lost"}
    for run, following in pairwise(runs):
        if run.status == "lost" and run.attempt < 3:  # one that waited already takes the retry's place
            assert (following.cause, following.attempt) in (("retry", run.attempt + 1), ("by hand", 1))
    assert runs[-1].status == "done"
    assert verify(services).holds


def unfinished(services: Services) -> bool:
    """Running is asked twice: a run may start between two questions."""
    runs = services.store.runs
    return bool(runs.running() or runs.waiting() or runs.running())


def supervisors(services: Services) -> list[int]:
    """Supervisors of this workspace that live."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "--once" in words and str(services.workspace.root) in words and alive(int(folder.name)):
            found.append(int(folder.name))
    return found


def test_jobs_are_named_with_their_task() -> None:
    assert job_named("retrain", "segmentation").name == "retrain-segmentation"
    assert job_named("clean-up", "").name == "clean_up"
    for kind, task in (("retrain", ""), ("verify", "segmentation"), ("sleep", "")):
        with pytest.raises(ParameterError, match="a job and its task"):
            job_named(kind, task)


def test_the_examples_name_every_job() -> None:
    shown = CliRunner().invoke(app, ["scheduler", "--examples"]).output
    for word in (
        "monitor",
        "score",
        "retrain",
        "reconcile",
        "verify",
        "clean_up",
        "CronJob",
        "OnCalendar",
        "CRON_TZ",
    ):
        assert word in shown
