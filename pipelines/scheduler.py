"""Job: what runs by itself. Jobs come from params.yaml; what is due, runs and ran is in our own tables.

The daemon only looks: it queues what is due and starts a supervisor, a process of its own that outlives it, for
what waits. A supervisor may also be started by cron, systemd or Kubernetes: `ctloop scheduler --once JOB`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from components.adapters.cron import Clock, Cron
from components.adapters.sql_runs import ScheduledRun
from components.errors import ParameterError
from pipelines.composition import Services
from pipelines.interrupted_moves import finish_interrupted
from pipelines.lease import lease_unless_held
from pipelines.params import load_section
from pipelines.progress import say
from pipelines.schedule.jobs import Job, every_job
from pipelines.schedule.params import SchedulerParams
from pipelines.schedule.planner import Planner, supervisor_process
from pipelines.schedule.supervisor import Supervisor, verb_command

_EXAMPLES = Path(__file__).with_name("templates") / "scheduler.md"


def scheduler(services: Services) -> None:
    """Look and run until SIGTERM or Ctrl-C; jobs at work go on, and the next daemon knows of them."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with looking(services):
        say(f"ctloop: looking for work; {_times(scheduler_params(services))}")
        stop.wait()
    at_work = [run.job for run in services.store.runs.running()]
    say(f"ctloop: stopped; at work: {', '.join(at_work)}" if at_work else "ctloop: stopped; nothing at work")


@contextmanager
def looking(services: Services) -> Iterator[None]:
    """Look in the background: now, at every cron time, and every few seconds."""
    params, workspace = scheduler_params(services), services.workspace
    crons = [Cron(job.cron, params.time_zone) for job in params.jobs.values() if job.cron is not None]
    planner = Planner(
        services=services, params=params, channels=services.channels, start=supervisor_process(workspace)
    )
    with lease_unless_held(workspace.lease, "ctloop scheduler, at its start") as ours:
        if ours:
            finish_interrupted(services)
    planner.look()
    clock = Clock(planner.look, crons, params.poll_seconds)
    clock.start()
    try:
        yield
    finally:
        clock.stop()


def run_once(services: Services, job: Job, *, queued_only: bool = False) -> int:
    """Run one job under its lease, with retries and history; its exit code, 75 when it is at work elsewhere."""
    params = scheduler_params(services)
    if job.kind not in params.jobs:
        raise ParameterError(
            expected=f"`{job.kind}` among the jobs of params.yaml",
            got=", ".join(params.jobs),
            hint="adding it",
        )
    supervisor = Supervisor(
        services=services, params=params, channels=services.channels, command=verb_command(services.workspace)
    )
    return supervisor.run(job, cause=None if queued_only else "by hand")


def job_named(kind: str, task: str) -> Job:
    """The job of this kind and task; raises ``ParameterError``."""
    found = [job for job in every_job() if job.kind == kind.replace("-", "_")]
    chosen = [job for job in found if (job.task or "") == task]
    if not chosen:
        names = sorted({job.kind for job in every_job()})
        tasks = " or ".join(f"--task {job.task}" if job.task else "no --task" for job in found)
        raise ParameterError(
            expected="a job and its task", got=f"{kind} {task}".strip(), hint=tasks or ", ".join(names)
        )
    return chosen[0]


def history_text(runs: Sequence[ScheduledRun]) -> str:
    """For a person, oldest first."""
    lines = [
        f"{run.id}  {run.started or run.not_before}  {run.job}  {run.status}"
        f"{'' if run.exit_code is None else f' (exit code {run.exit_code})'}, attempt {run.attempt}, by {run.cause}"
        for run in runs
    ]
    return "\n".join(lines) or "nothing ran yet"


def examples() -> str:
    """How cron, systemd and Kubernetes run the same jobs, with exit codes."""
    return _EXAMPLES.read_text()


def scheduler_params(services: Services) -> SchedulerParams:
    """Section ``scheduler``, with its cron expressions checked."""
    params = load_section(SchedulerParams, services.workspace.params, "scheduler")
    for job in params.jobs.values():
        if job.cron is not None:
            Cron(job.cron, params.time_zone)
    return params


def _times(params: SchedulerParams) -> str:
    known = [f"{name} at {job.cron!r}" for name, job in params.jobs.items() if job.cron is not None]
    return f"{', '.join(known) or 'nothing by the clock'} ({params.time_zone})"
