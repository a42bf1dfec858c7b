from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from components.errors import InputError, StateError
from pipelines import served_loop
from pipelines.composition import Services
from pipelines.lease import lease
from pipelines.served_loop import WorkspaceLoop, run_verb
from tests.pipelines.schedule.scheduled import made_services


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = made_services(tmp_path)
    yield services
    services.store.close()


def test_the_schedule_says_when_and_why_each_job_runs(services: Services) -> None:
    rows = {row["job"]: row for row in WorkspaceLoop(services).schedule()}
    assert rows["verify"]["trigger"] == "30 * * * * (UTC)"
    assert rows["verify"]["next"][14:16] == "30"
    assert rows["retrain-segmentation"] == {
        "job": "retrain-segmentation",
        "next": None,
        "trigger": "20 answers",
    }
    assert "retrain-classification" not in rows  # it has no scans


def test_run_now_queues_once_and_starts_a_supervisor(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(
        served_loop, "supervisor_process", lambda workspace: lambda job: started.append(job.name)
    )
    loop = WorkspaceLoop(services)
    assert loop.run_now("verify")
    assert not loop.run_now("verify")
    assert [run.job for run in services.store.runs.waiting()] == ["verify"]
    assert started == ["verify", "verify"]  # a second supervisor finds the lease taken, or nothing to do
    with pytest.raises(InputError, match=r"a job of params\.yaml"):
        loop.run_now("rm")


@pytest.mark.slow
def test_a_verb_runs_in_a_process_of_its_own_outside_the_job_at_work_here(services: Services) -> None:
    workspace = services.workspace
    assert services.store.jobs() == ()  # the database is there
    with lease(workspace.lease, "ctloop serve, storing an answer"):
        refused = run_verb(workspace.root, ["labels", "reconcile"])
    assert refused.returncode == 75
    assert "storing an answer" in refused.stderr
    done = run_verb(workspace.root, ["requests", "cancel", "none", "--reason=x"])
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the id of a request" in done.stderr


def test_why_a_verb_refused_is_its_last_line(services: Services) -> None:
    def refuse(root: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 1, "", "noise\nctloop: expected a challenger, got none")

    loop = WorkspaceLoop(services, run=refuse)
    with pytest.raises(StateError, match="got ctloop: expected a challenger, got none"):
        loop.promote("segmentation", by="mlops-1", override=None)


def test_a_verb_that_does_not_end_is_said(services: Services) -> None:
    def hang(root: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired(list(words), 300.0)

    with pytest.raises(StateError, match="none after 300 s"):
        WorkspaceLoop(services, run=hang).roll_back("segmentation", by="mlops-1", reason="x")


def test_only_the_end_of_a_long_log_is_shown(services: Services) -> None:
    logs = services.workspace.scheduler_logs
    logs.mkdir(parents=True)
    (logs / "7.log").write_text("a" * 300_000 + "the end")
    text = WorkspaceLoop(services).log(7)
    assert text is not None
    assert (len(text), text[-7:]) == (200_000, "the end")
    assert WorkspaceLoop(services).log(8) is None


@pytest.mark.parametrize("batch", ["../../secret", "a/b", "..", "", "a\x00b"])
def test_no_batch_leads_out_of_the_reports(services: Services, batch: str) -> None:
    outside = services.workspace.state / "secret"
    outside.mkdir(parents=True)
    for name in ("verdict.json", "index.html"):
        (outside / name).write_text("{}")
    loop = WorkspaceLoop(services)
    assert loop.window("segmentation", batch) is None
    assert loop.report("monitor", "segmentation", batch) is None
