"""Section ``scheduler`` of params.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from components.errors import ParameterError
from pipelines.schedule.jobs import Kind


@dataclass(frozen=True, kw_only=True)
class JobParams:
    """When a job runs.

    Args:
        cron: ``minute hour day month weekday`` with named weekdays; ``None``: not by the clock.
        answers: run when so many answers were accepted since it was last queued; ``None``: not for that.
        on_drift: run when the ledger gets a drift verdict that alarms.
        on_coverage: run when the ledger gets a verdict that the conformal coverage is broken.
        timeout_minutes: after which it is stopped and counts as failed.
    """

    cron: str | None
    timeout_minutes: float
    answers: int | None = None
    on_drift: bool = False
    on_coverage: bool = False

    def __post_init__(self) -> None:
        if self.timeout_minutes <= 0 or (self.answers is not None and self.answers < 1):
            raise ParameterError(
                expected="timeout_minutes > 0 and answers >= 1 or null",
                got=str(self),
                hint="a whole hour: 60.0",
            )


@dataclass(frozen=True, kw_only=True)
class SchedulerParams:
    """What runs by itself.

    Args:
        time_zone: of the cron expressions, e.g. ``Europe/Paris``.
        poll_seconds: how often triggers and killed runs are looked for.
        lease_seconds: after which a killed run is taken for lost.
        attempts: at each run, the first included.
        back_off_minutes: before the second attempt; doubled before each further one.
        notify_done: jobs whose success is told too; what goes wrong always is.
    """

    time_zone: str
    poll_seconds: float
    lease_seconds: float
    attempts: int
    back_off_minutes: float
    jobs: dict[str, JobParams] = field(default_factory=dict)
    notify_done: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kinds = get_args(Kind)
        if unknown := [name for name in (*self.jobs, *self.notify_done) if name not in kinds]:
            raise ParameterError(
                expected="jobs of the scheduler", got=", ".join(unknown), hint=", ".join(kinds)
            )
        if self.poll_seconds <= 0 or self.lease_seconds < 1 or self.attempts < 1 or self.back_off_minutes < 0:
            raise ParameterError(
                expected="poll_seconds > 0, lease_seconds >= 1, attempts >= 1, back_off_minutes >= 0",
                got=str(self),
                hint="the shipped section `scheduler` of params.yaml",
            )
