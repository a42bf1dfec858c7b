"""A supervised run: lease, attempts with back-off, history, notices. The daemon starts it, and so may cron.

The supervisor holds the job's lease, so what the history calls ``running`` when it takes it was killed. All that
it knows is in the database: whoever comes next goes on from there.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.adapters.sql_runs import Cause, Retry, RunStatus, ScheduledRun, SqlRuns
from pipelines.composition import Services
from pipelines.progress import say
from pipelines.schedule.attempt import Attempt
from pipelines.schedule.heartbeat import Heartbeat, held, holder_name
from pipelines.schedule.jobs import Job
from pipelines.schedule.notices import Channel, notice_of, tell
from pipelines.schedule.params import SchedulerParams
from pipelines.stage_command import BUSY
from pipelines.workspace import Workspace

_STOPPED = 1
_WAIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Supervisor:
    """Runs jobs of one workspace; ``command`` is (job) → what starts it as a child."""

    services: Services
    params: SchedulerParams
    channels: Sequence[Channel]
    command: Callable[[Job], Sequence[str]]

    def run(self, job: Job, *, cause: Cause | None = "by hand") -> int:
        """Run ``job``, with its retries; the exit code of the last attempt, 75 when another process is at it.

        With ``cause`` it is queued first unless it waits already; with ``None`` only what waits is run.
        """
        runs, name = self.services.store.runs, holder_name()
        with held(self.services.store.leases, lease_of(job), name, self.params.lease_seconds) as beat:
            if beat is None:
                say(f"ctloop: {job.name} is at work already, in another process")
                return BUSY
            give_up_lost(self.services, self.params, self.channels, runs.running(job.name))
            if cause is not None:
                runs.queue(job.name, cause)
            code = 0
            while waiting := runs.waiting(job.name):
                if not _wait_until(waiting[0].not_before, beat):
                    return BUSY
                if runs.start(waiting[0].id, name):
                    code = self._attempt(job, waiting[0], beat)
            return code

    def _attempt(self, job: Job, run: ScheduledRun, beat: Heartbeat) -> int:
        workspace, limits = self.services.workspace, self.params.jobs[job.kind]
        attempted = Attempt(
            command=self.command(job),
            env={
                "PYTHONPATH": os.pathsep.join(
                    filter(None, (str(workspace.root), os.environ.get("PYTHONPATH")))
                )
            },
            cwd=workspace.root,
            log=workspace.scheduler_logs / f"{run.id}.log",
            timeout_seconds=60.0 * limits.timeout_minutes,
            busy_seconds=min(60.0 * self.params.back_off_minutes, 60.0),
        ).run(beat)
        again = attempted.status != "done" and (
            attempted.exit_code is None or job.worth_another_try(attempted.exit_code)
        )
        end_run(
            self.services, self.params, self.channels, run, attempted.status, attempted.exit_code, again=again
        )
        return _STOPPED if attempted.exit_code is None else attempted.exit_code


def give_up_lost(
    services: Services, params: SchedulerParams, channels: Sequence[Channel], lost: Sequence[ScheduledRun]
) -> None:
    """End runs whose supervisor was killed; each is tried again, as one that failed."""
    for run in lost:
        end_run(services, params, channels, run, "lost", None, again=True)


def end_run(
    services: Services,
    params: SchedulerParams,
    channels: Sequence[Channel],
    run: ScheduledRun,
    status: RunStatus,
    exit_code: int | None,
    *,
    again: bool,
) -> None:
    """Enter how it ended, queue its retry if there is to be one, and tell."""
    runs: SqlRuns = services.store.runs
    retry = None
    if again and run.attempt < params.attempts:
        pause = timedelta(minutes=params.back_off_minutes * 2 ** (run.attempt - 1))
        retry = Retry(attempt=run.attempt + 1, not_before=(_now() + pause).isoformat(timespec="seconds"))
    if not runs.end(run.id, status, exit_code=exit_code, retry=retry):
        return  # another process found it lost, and told
    (ended,) = (found for found in runs.runs(run.job) if found.id == run.id)
    kind = run.job.split("-")[0]
    if status != "done" or kind in params.notify_done:
        retry_at = retry.not_before if retry else None
        tell(channels, *notice_of(ended, attempts=params.attempts, retry_at=retry_at))
    say(
        f"ctloop: {run.job} {status}, attempt {run.attempt}"
        + (f", again at {retry.not_before}" if retry else "")
    )


def lease_of(job: Job) -> str:
    return f"job {job.name}"


def verb_command(workspace: Workspace) -> Callable[[Job], Sequence[str]]:
    """The verb of ctloop in a child that dies with this process."""
    start = (sys.executable, "-P", "-m", "pipelines.schedule.child")
    return lambda job: (*start, *job.words, "--workspace", str(workspace.root))


def _wait_until(moment: str, beat: Heartbeat) -> bool:
    """``False`` when the lease was lost meanwhile."""
    while (left := (datetime.fromisoformat(moment) - _now()).total_seconds()) > 0 and not beat.lost:
        time.sleep(min(left, _WAIT_SECONDS))
    return not beat.lost


def _now() -> datetime:
    return datetime.now(UTC)
