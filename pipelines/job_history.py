"""The job history: each writing job leaves its run in the workspace's store, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.adapters.sql_store import JobStatus


@contextmanager
def recorded(workspace: Workspace, job: str, moves_aliases: bool = False) -> Iterator[None]:
    """Keep start, end and status of what runs inside; the caller holds the workspace's lease.

    Interrupted moves of aliases are finished first, except for a job that ``moves_aliases`` and does so itself.

    A killed job stays ``running`` until the next one starts, which finds it ``interrupted``. Of an error only
    its class is kept: its message may name a patient's file.
    """
    from pipelines.composition import Services
    from pipelines.interrupted_moves import finish_interrupted

    services = Services(workspace)
    store = services.store
    store.end_interrupted_jobs()
    if not moves_aliases:
        finish_interrupted(services)
    run = store.start_job(job.removeprefix("ctloop "))
    status: JobStatus = "done"
    detail: dict[str, str] = {}
    try:
        yield
    except BaseException as error:
        status, detail = _end(error)
        raise
    finally:
        store.finish_job(run, status, detail)
        store.close()


def _end(error: BaseException) -> tuple[JobStatus, dict[str, str]]:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", {}
    if isinstance(error, typer.Exit):  # the job did its work, but not on all that it was given
        return "refused", {}
    return "failed", {"error": type(error).__name__}
