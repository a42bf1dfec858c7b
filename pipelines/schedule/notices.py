"""Who is told what became of a job, by webhook and mail where they are configured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from components.adapters.sql_runs import ScheduledRun
from components.errors import CtloopError
from pipelines.progress import say


class Channel(Protocol):
    """A way to a person; raises ``CtloopError`` when it does not take the notice."""

    def send(self, subject: str, text: str) -> None: ...


def tell(channels: Sequence[Channel], subject: str, text: str) -> None:
    """Through every channel; one that fails stops neither the others nor the job, and is named."""
    for channel in channels:
        try:
            channel.send(subject, text)
        except CtloopError as error:
            say(f"ctloop: no notice by {type(channel).__name__.lower()}: {error}")


def notice_of(run: ScheduledRun, *, attempts: int, retry_at: str | None) -> tuple[str, str]:
    """(subject, text) about an attempt that has ended; no log, which may name a patient's file."""
    how = f"exit code {run.exit_code}" if run.exit_code is not None else "stopped"
    lines = [
        f"{run.job} {run.status} ({how}), attempt {run.attempt} of {attempts}, queued by {run.cause}",
        f"from {run.started} to {run.ended} on {run.holder}",
        f"log: scheduler/{run.id}.log in the state folder there",
    ]
    if run.status != "done":
        lines.append(f"again at {retry_at}" if retry_at else "no further attempt by itself")
    return f"{run.job} {run.status}", "\n".join(lines)
