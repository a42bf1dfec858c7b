"""What is due: by the clock, by answers, drift and broken coverage, and after a kill.

Any number of daemons may look at once.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from components.adapters.cron import Cron
from components.adapters.sql_runs import Cause
from components.registry.ledger import LedgerEntry
from pipelines.composition import MODEL_NAMES, Services
from pipelines.lease import outside_any_job
from pipelines.progress import say
from pipelines.schedule.jobs import Job, jobs_of
from pipelines.schedule.notices import Channel
from pipelines.schedule.params import JobParams, SchedulerParams
from pipelines.schedule.supervisor import give_up_lost, lease_of
from pipelines.workspace import Workspace


@dataclass(kw_only=True)
class Planner:
    """One look queues what is due and starts a supervisor for what waits.

    Args:
        start: (job) → its supervisor, a process of its own that outlives this one.
        started: when this daemon began: what was due before was missed.
    """

    services: Services
    params: SchedulerParams
    channels: Sequence[Channel]
    start: Callable[[Job], subprocess.Popen[bytes]]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _at_work: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def look(self, now: datetime | None = None) -> None:
        """Safe to repeat and to kill: what is queued is in the database."""
        moment = now or datetime.now(UTC)
        jobs = jobs_of(self.services.workspace, tuple(self.params.jobs))
        for job in jobs:
            self._queue_if_due(job, self.params.jobs[job.kind], moment)
        self._find_lost(jobs)
        for job in jobs:
            self._start_if_waiting(job, moment)

    def _queue_if_due(self, job: Job, params: JobParams, now: datetime) -> None:
        store = self.services.store
        end = store.ledger_end()
        before = store.runs.schedule(job.name, accounted=_text(now), seen=end)
        cause = self._cause(job, params, before, now)
        if cause is not None and store.runs.claim(job.name, cause, before=before, after=(_text(now), end)):
            say(f"ctloop: {job.name} is due ({cause})")

    def _cause(self, job: Job, params: JobParams, before: tuple[str, int], now: datetime) -> Cause | None:
        accounted, seen = before
        if params.cron is not None:
            due = Cron(params.cron, self.params.time_zone).after(datetime.fromisoformat(accounted))
            if due is not None and due <= now:
                return "cron" if due >= self.started else "missed"
        if params.answers is None and not (params.on_drift or params.on_coverage):
            return None
        fresh = self.services.store.entries_after(seen, "answer", "drift", "coverage")
        ours = [entry for entry in fresh if job.task in (None, entry.payload["task"])]
        if params.answers is not None and sum(e.kind == "answer" for e in ours) >= params.answers:
            return "answers"
        alarms = {e.kind for e in ours if _alarms(e) and self._in_use(e.subject)}
        if params.on_drift and "drift" in alarms:
            return "drift"
        return "coverage" if params.on_coverage and "coverage" in alarms else None

    def _in_use(self, subject: str) -> bool:
        """Whether the version that raised an alarm is still champion: of another it does not matter any more."""
        from components.registry.production import in_production

        name = subject.rpartition("/")[0]
        moves = self.services.store.entries("promote", "rollback", "settled")
        champion = in_production(moves, name).version
        return name in MODEL_NAMES.values() and champion is not None and subject == f"{name}/{champion}"

    def _find_lost(self, jobs: Sequence[Job]) -> None:
        store = self.services.store
        for job in jobs:
            for run in store.runs.running(job.name):
                if store.leases.holder(lease_of(job)) != run.holder:
                    give_up_lost(self.services, self.params, self.channels, [run])

    def _start_if_waiting(self, job: Job, now: datetime) -> None:
        supervisor = self._at_work.get(job.name)
        if supervisor is not None and supervisor.poll() is None:
            return
        store = self.services.store
        due = [run for run in store.runs.waiting(job.name) if datetime.fromisoformat(run.not_before) <= now]
        if due and store.leases.holder(lease_of(job)) is None:
            self._at_work[job.name] = self.start(job)


def supervisor_process(workspace: Workspace) -> Callable[[Job], subprocess.Popen[bytes]]:
    """Starts `ctloop scheduler --once` in a session of its own; what it prints is in ``supervisors.log``."""

    def start(job: Job) -> subprocess.Popen[bytes]:
        task = () if job.task is None else ("--task", job.task)
        words = ("scheduler", "--once", job.kind, *task, "--queued", "--workspace", str(workspace.root))
        workspace.scheduler_logs.mkdir(parents=True, exist_ok=True)
        with (workspace.scheduler_logs / "supervisors.log").open("ab") as log:
            return subprocess.Popen(
                (sys.executable, "-m", "pipelines.cli", *words), cwd=workspace.root, env=outside_any_job(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    return start


def _alarms(entry: LedgerEntry) -> bool:
    if entry.kind == "drift":
        return bool(entry.payload["alarmed"])
    return entry.kind == "coverage" and entry.payload["kind"] == "broken"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
