"""What is due, by hand-made clocks; what is started is only counted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.composition import Services
from pipelines.schedule.jobs import Job
from pipelines.schedule.params import JobParams
from pipelines.schedule.planner import Planner
from pipelines.schedule.supervisor import lease_of
from tests.components.adapters.databases import BOTH, empty_database
from tests.pipelines.schedule.scheduled import RETRAIN, VERIFY, Told, made_services, quick

NAME = "ctloop-segmentation"
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Daemon:
    """A planner whose supervisors end at once and do nothing."""

    def __init__(self, services: Services, started: datetime = NOON, **changes: object) -> None:
        self.services, self.told, self.begun = services, Told(), list[str]()
        self.planner = Planner(
            services=services,
            params=quick(**changes),
            channels=(self.told,),
            start=self.start,
            started=started,
        )

    def start(self, job: Job) -> subprocess.Popen[bytes]:
        self.begun.append(job.name)
        process = subprocess.Popen((sys.executable, "-c", ""))
        process.wait()
        return process

    def look(self, minutes: float) -> None:
        self.planner.look(NOON + timedelta(minutes=minutes))

    def causes(self, job: Job = VERIFY) -> list[str]:
        return [run.cause for run in self.services.store.runs.runs(job.name)]

    def empty_queue(self) -> None:
        """As supervisors would: all that waits is done."""
        for run in self.services.store.runs.waiting():
            self.services.store.runs.start(run.id, "supervisor")
            self.services.store.runs.end(run.id, "done", exit_code=0)


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


def test_broken_coverage_of_the_model_in_use_is_a_cause(services: Services) -> None:
    store = services.store
    jobs = {"retrain": JobParams(cron=None, on_coverage=True, timeout_minutes=1.0)}
    daemon = Daemon(services, jobs=jobs, notify_done=())
    facts = {"version": 1, "package_hash": "h", "previous": None, "reason": "r", "aliases": {"champion": 1}}
    move = store.append("promote", f"{NAME}/1", facts)
    store.append("settled", f"{NAME}/1", {"entry": move.number, "move": "promote", "reason": "r"})
    daemon.look(0)
    for subject, kind in ((f"{NAME}/1", "held"), (f"{NAME}/2", "broken")):
        store.append("coverage", subject, {"task": "segmentation", "kind": kind, "promises": []})
    daemon.look(1)
    assert daemon.causes(RETRAIN) == []
    store.append("coverage", f"{NAME}/1", {"task": "segmentation", "kind": "broken", "promises": []})
    daemon.look(2)
    daemon.look(3)
    assert daemon.causes(RETRAIN) == ["coverage"]


def test_a_cron_time_is_due_once(services: Services) -> None:
    daemon = Daemon(services)
    daemon.look(0)
    daemon.look(29.9)
    assert daemon.causes() == []
    daemon.look(30)
    assert daemon.causes() == ["cron"]
    daemon.empty_queue()
    daemon.look(31)
    assert daemon.causes() == ["cron"]
    daemon.look(90)
    assert daemon.causes() == ["cron", "cron"]


def test_what_was_missed_is_made_up_for_once(services: Services) -> None:
    Daemon(services).look(0)
    later = Daemon(services, started=NOON + timedelta(days=2))
    later.look(2 * 24 * 60)
    assert later.causes() == ["missed"]
    later.empty_queue()
    later.look(2 * 24 * 60 + 1)
    later.look(2 * 24 * 60 + 30)
    assert later.causes() == ["missed", "cron"]


def test_two_daemons_queue_a_moment_once(services: Services) -> None:
    first, second = Daemon(services), Daemon(services)
    first.look(0)
    first.look(30)
    first.empty_queue()
    second.look(30)
    assert first.causes() == ["cron"]


def test_enough_answers_are_a_reason_to_retrain(services: Services) -> None:
    daemon, store = Daemon(services), services.store
    daemon.look(0)
    answer = {"label_sha256": "a", "annotator": "r", "minutes": None}
    store.record_unasked("segmentation", "one", **answer)  # type: ignore[arg-type]
    store.record_unasked("classification", "chest", **answer)  # type: ignore[arg-type]
    daemon.look(1)
    assert daemon.causes(RETRAIN) == []
    store.record_unasked("segmentation", "two", **answer)  # type: ignore[arg-type]
    daemon.look(2)
    assert daemon.causes(RETRAIN) == ["answers"]
    daemon.empty_queue()
    daemon.look(3)
    assert daemon.causes(RETRAIN) == ["answers"]


def test_an_alarm_about_the_model_in_use_is_a_reason_where_parameters_say_so(services: Services) -> None:
    daemon, store = Daemon(services), services.store
    store.append("promote", f"{NAME}/2", {"version": 2, "package_hash": "h", "previous": None, "reason": "r"})
    daemon.look(0)
    verdict = {"task": "segmentation", "batch": "b", "kind": "drift"}
    store.append("drift", f"{NAME}/2", {**verdict, "alarmed": False})
    store.append("drift", f"{NAME}/1", {**verdict, "alarmed": True})
    daemon.look(1)
    assert daemon.causes(RETRAIN) == []
    store.append("drift", f"{NAME}/2", {**verdict, "alarmed": True})
    daemon.look(2)
    assert daemon.causes(RETRAIN) == ["drift"]


def test_answers_before_the_first_look_are_no_reason(services: Services) -> None:
    for name in "abc":
        services.store.record_unasked("segmentation", name, label_sha256="a", annotator="r", minutes=None)
    daemon = Daemon(services)
    daemon.look(0)
    assert daemon.causes(RETRAIN) == []


def test_a_run_that_was_killed_is_found_told_and_tried_again(services: Services) -> None:
    daemon, runs = Daemon(services, back_off_minutes=5.0), services.store.runs
    runs.queue("verify", "cron")
    (run,) = runs.waiting()
    services.store.leases.take(lease_of(VERIFY), "supervisor", 60)
    runs.start(run.id, "supervisor")
    daemon.look(0)
    assert [found.status for found in runs.runs()] == ["running"]
    services.store.leases.drop(lease_of(VERIFY), "supervisor")
    daemon.look(1)
    assert [(found.attempt, found.status) for found in runs.runs()] == [(1, "lost"), (2, "queued")]
    assert daemon.told.subjects == ["verify lost"]
    assert daemon.begun == []


def test_a_run_that_is_killed_each_time_is_given_up(services: Services) -> None:
    daemon, runs = Daemon(services), services.store.runs
    runs.queue("verify", "cron")
    for _ in range(4):
        for run in runs.waiting():
            runs.start(run.id, "killed")
        daemon.look(0)
    assert [(run.attempt, run.status) for run in runs.runs()] == [(1, "lost"), (2, "lost"), (3, "lost")]
    assert "no further attempt" in daemon.told.notices[-1][1]


def test_what_a_killed_daemon_had_queued_is_started_by_the_next(services: Services) -> None:
    services.store.runs.queue("verify", "cron")
    daemon = Daemon(services)
    daemon.planner.look()
    assert daemon.begun == ["verify"]
    services.store.leases.take(lease_of(VERIFY), "elsewhere", 60)
    daemon.planner.look()
    assert daemon.begun == ["verify"]


def test_tasks_without_scans_have_no_jobs(services: Services) -> None:
    services.store.runs.queue("retrain-classification", "by hand")
    daemon = Daemon(services)
    daemon.planner.look()
    assert daemon.begun == []
