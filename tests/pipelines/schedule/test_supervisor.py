"""A supervised run with real child processes, on both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.composition import Services
from pipelines.schedule.jobs import Job
from pipelines.schedule.params import JobParams
from pipelines.schedule.supervisor import holder_name, lease_of
from pipelines.stage_command import BUSY
from tests.components.adapters.databases import BOTH, empty_database
from tests.pipelines.schedule.scheduled import RETRAIN, VERIFY, Told, made_services, story, supervisor


@pytest.fixture(params=BOTH)
def services(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    monkeypatch.delenv("CTLOOP_STATE", raising=False)
    for url in empty_database(request.param, tmp_path):
        monkeypatch.setenv("CTLOOP_DATABASE_URL", url)
        services = made_services(tmp_path)
        yield services
        services.store.close()


def log_of(services: Services, run: int) -> str:
    return (services.workspace.scheduler_logs / f"{run}.log").read_text()


def test_a_run_that_is_done_leaves_history_and_log_and_gives_the_lease_back(services: Services) -> None:
    told = Told()
    assert (
        supervisor(services, "import sys; print('out'); print('err', file=sys.stderr)", told).run(VERIFY) == 0
    )
    (run,) = services.store.runs.runs()
    assert (run.job, run.cause, run.status, run.exit_code) == ("verify", "by hand", "done", 0)
    assert run.started is not None
    assert run.ended is not None
    assert sorted(log_of(services, run.id).split()) == ["err", "out"]
    assert (services.workspace.scheduler_logs / f"{run.id}.log").stat().st_mode & 0o077 == 0
    assert services.store.leases.holder(lease_of(VERIFY)) is None
    assert told.notices == []


def test_success_is_told_of_jobs_that_ask_for_it(services: Services) -> None:
    told = Told()
    assert supervisor(services, "", told).run(RETRAIN) == 0
    assert told.subjects == ["retrain-segmentation done"]


def test_a_failure_is_tried_again_until_it_succeeds(services: Services, tmp_path: Path) -> None:
    told, counter = Told(), tmp_path / "counter"
    text = (
        f"import sys; f = open({str(counter)!r}, 'a+'); f.write('x'); f.flush(); f.seek(0);"
        "sys.exit(len(f.read()) < 3)"
    )
    assert supervisor(services, text, told).run(VERIFY) == 0
    assert story(services) == [(1, "failed", 1), (2, "failed", 1), (3, "done", 0)]
    assert told.subjects == ["verify failed", "verify failed"]
    assert "again at" in told.notices[0][1]


def test_after_its_last_attempt_it_stays_failed_and_that_is_told(services: Services) -> None:
    told = Told()
    assert supervisor(services, "raise SystemExit(1)", told).run(VERIFY) == 1
    assert [status for _, status, _ in story(services)] == ["failed"] * 3
    assert "no further attempt" in told.notices[-1][1]
    assert services.store.runs.waiting() == ()


def test_a_back_off_doubles(services: Services) -> None:
    from datetime import datetime

    held = services.store.runs
    held.queue("verify", "cron")
    pauses = []
    for attempt in (1, 2):
        from pipelines.schedule.supervisor import end_run
        from tests.pipelines.schedule.scheduled import quick

        (run,) = held.waiting("verify")
        assert run.attempt == attempt
        held.start(run.id, "me")
        before = time.time()
        end_run(services, quick(back_off_minutes=5.0), (), run, "failed", 1, again=True)
        (retry,) = held.waiting("verify")
        pauses.append(datetime.fromisoformat(retry.not_before).timestamp() - before)
    assert pauses == pytest.approx([300, 600], abs=2)


def test_a_ledger_that_was_tampered_with_is_not_verified_again(services: Services) -> None:
    told = Told()
    assert supervisor(services, "raise SystemExit(3)", told).run(VERIFY) == 3
    assert story(services) == [(1, "failed", 3)]
    assert supervisor(services, "raise SystemExit(3)", told, attempts=2).run(RETRAIN) == 3
    assert story(services, RETRAIN) == [(1, "failed", 3), (2, "failed", 3)]


def test_what_takes_too_long_is_stopped_with_its_children(services: Services, tmp_path: Path) -> None:
    told, mark = Told(), tmp_path / "pid"
    text = (
        "import subprocess, sys, time; p = subprocess.Popen((sys.executable, '-c', 'import time; time.sleep(60)'));"
        f"open({str(mark)!r}, 'w').write(str(p.pid)); time.sleep(60)"
    )
    jobs = {"verify": JobParams(cron=None, timeout_minutes=1.5 / 60)}
    started = time.monotonic()
    assert supervisor(services, text, told, jobs=jobs, notify_done=(), attempts=1).run(VERIFY) == 1
    assert time.monotonic() - started < 60
    assert story(services) == [(1, "timed out", None)]
    assert told.subjects == ["verify timed out"]
    assert not alive(int(mark.read_text()))


def test_a_busy_workspace_is_waited_for_within_one_attempt(services: Services, tmp_path: Path) -> None:
    told, mark = Told(), tmp_path / "seen"
    text = f"import os, sys; p = {str(mark)!r}; e = os.path.exists(p); open(p, 'w'); sys.exit(0 if e else {BUSY})"
    assert supervisor(services, text, told).run(VERIFY) == 0
    assert story(services) == [(1, "done", 0)]


def test_a_job_that_is_at_work_elsewhere_is_left_alone(services: Services) -> None:
    services.store.leases.take(lease_of(VERIFY), holder_name(), 60)
    assert supervisor(services, "", Told()).run(VERIFY) == BUSY
    assert services.store.runs.runs() == ()


def test_only_what_waits_is_run_where_nothing_is_asked_for(services: Services) -> None:
    made = supervisor(services, "", Told())
    assert made.run(VERIFY, cause=None) == 0
    assert services.store.runs.runs() == ()
    services.store.runs.queue("verify", "cron")
    assert made.run(VERIFY, cause=None) == 0
    assert [(run.cause, run.status) for run in services.store.runs.runs()] == [("cron", "done")]


def test_a_run_whose_lease_was_taken_is_stopped(services: Services) -> None:
    """As after a pause longer than the lease: another process may have begun."""
    import threading

    def rob() -> None:
        leases = services.store.leases
        name = lease_of(VERIFY)
        while (owner := leases.holder(name)) is None or not services.store.runs.running():
            time.sleep(0.02)
        leases.drop(name, owner)
        assert leases.take(name, "robber", 60)

    thief = threading.Thread(target=rob)
    thief.start()
    code = supervisor(services, "import time; time.sleep(60)", Told(), attempts=1).run(VERIFY)
    thief.join()
    assert code == 1
    assert story(services) == [(1, "lost", None)]
    assert services.store.leases.holder(lease_of(VERIFY)) == "robber"


KILLED = """
import sys
from pathlib import Path
from tests.pipelines.schedule.scheduled import *
services = Services(Workspace(root=Path(sys.argv[1]), state=Path(sys.argv[1]) / ".ctloop"))
child = (sys.executable, "-P", "-c", CHILD.replace("MARK", repr(sys.argv[2])))
Supervisor(services=services, params=quick(), channels=(), command=lambda job: child).run(VERIFY)
"""
CHILD = """
import ctypes, os, signal, time
from pipelines.schedule.child import die_with_parent
die_with_parent()
open(MARK, "w").write(str(os.getpid()))
time.sleep(60)
"""


def start_killable(services: Services, mark: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[3]
    text = KILLED.replace("CHILD.", f"{CHILD!r}.")
    env = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen((sys.executable, "-c", text, str(services.workspace.root), str(mark)), env=env)


def wait_for(condition: object, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_supervisor_takes_its_child_along_and_the_next_one_tries_again(
    services: Services, tmp_path: Path
) -> None:
    mark, told = tmp_path / "child", Told()
    process = start_killable(services, mark)
    wait_for(lambda: mark.exists() and mark.read_text())
    assert supervisor(services, "", told).run(VERIFY) == BUSY
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not alive(int(mark.read_text())))
    wait_for(lambda: services.store.leases.holder(lease_of(VERIFY)) is None)
    assert story(services) == [(1, "running", None)]
    assert supervisor(services, "", told).run(VERIFY, cause=None) == 0
    assert story(services) == [(1, "lost", None), (2, "done", 0)]
    assert told.subjects == ["verify lost"]


def test_a_job_knows_its_words() -> None:
    assert Job(kind="retrain", task="classification").words == ("retrain", "--task", "classification")
    assert Job(kind="reconcile").words == ("labels", "reconcile")
