"""One writing job at a time in a workspace. The lease is a file lock: the kernel takes it back from the dead."""

from __future__ import annotations

import fcntl
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TextIO

from components.errors import BusyError
from pipelines.job_history import recorded
from pipelines.workspace import Workspace

_HELD = "CTLOOP_LEASE"  # names the lease file to what runs under it, in this process and below
_Arguments = ParamSpec("_Arguments")


@contextmanager
def lease(path: Path, job: str) -> Iterator[bool]:
    """Be the one job that writes where ``path`` lies; ``BusyError`` names the job that does so already.

    A job inside a job, also in a subprocess, runs under the lease of the outer one. Yields whether this is
    the outer one.

    Args:
        path: of the lease, ``Workspace.lease``, or of what may be written beside other jobs.
        job: as a person calls it, e.g. ``ctloop loop``.
    """
    if os.environ.get(_HELD) == str(path):
        yield False
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _lock(file)
        file.truncate(0)
        file.write(f"`{job}` (process {os.getpid()}, since {datetime.now():%H:%M on %Y-%m-%d})")
        file.flush()
        outer = os.environ.get(_HELD)
        os.environ[_HELD] = str(path)
        try:
            yield True
        finally:
            del os.environ[_HELD]
            if outer is not None:
                os.environ[_HELD] = outer
            file.truncate(0)


def outside_any_job() -> dict[str, str]:
    """The environment for a process that is no part of the job at work in this one, and takes a lease of its own."""
    return {name: value for name, value in os.environ.items() if name != _HELD}


@contextmanager
def lease_unless_held(path: Path, job: str) -> Iterator[bool]:
    """As ``lease``; where another job has it, ``False`` is yielded, and the caller writes nothing there."""
    with ExitStack() as stack:
        try:
            stack.enter_context(lease(path, job))
            ours = True
        except BusyError:
            ours = False
        yield ours


def writes(
    job: str, *, moves_aliases: bool = False
) -> Callable[[Callable[_Arguments, None]], Callable[_Arguments, None]]:
    """For a verb with an option ``workspace``: it runs as the one job that writes there, and is recorded.

    Moves of aliases that were interrupted are finished first, unless the verb is one that ``moves_aliases``: it
    does so itself, and must know, so that a killed rollback that is called again does not roll back twice.
    """

    def under_lease(verb: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
        @functools.wraps(verb)
        def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
            root = kwargs.get("workspace")
            assert root is None or isinstance(root, Path)
            workspace = Workspace.existing(root)
            with lease(workspace.lease, job) as outermost:
                with recorded(workspace, job, moves_aliases) if outermost else nullcontext():
                    verb(*args, **kwargs)

        return run

    return under_lease


def _lock(file: TextIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise BusyError(
            expected="a workspace that no other job writes",
            got=file.read() or "one that has just begun",
            hint="again when it has ended",
        ) from None
