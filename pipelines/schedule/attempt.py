"""One attempt at a job: its verb as a child process, under a lease, up to a time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.adapters.sql_runs import RunStatus
from pipelines.schedule.heartbeat import Heartbeat
from pipelines.stage_command import BUSY

_LOOK_SECONDS, _GRACE_SECONDS = 0.1, 10.0


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """How it ended; ``exit_code`` is ``None`` for one that had to be stopped."""

    status: RunStatus
    exit_code: int | None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What to run.

    Args:
        command: the child's.
        env: added to this process's environment.
        cwd: the child's folder.
        log: file that gets all that it prints, readable by its owner alone: it may name a patient's file.
        timeout_seconds: for all of it; also for waiting while it says that another job is at work.
        busy_seconds: between two of these.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    timeout_seconds: float
    busy_seconds: float

    def run(self, beat: Heartbeat) -> Attempted:
        """Until it ends, the time is over, or the lease is lost: then it is stopped, with all its processes."""
        deadline = time.monotonic() + self.timeout_seconds
        self.log.parent.mkdir(parents=True, exist_ok=True)
        while True:
            code = self._once(deadline, beat)
            left = deadline - time.monotonic()
            if code != BUSY or beat.lost or left <= 0:
                break
            time.sleep(min(max(self.busy_seconds, _LOOK_SECONDS), left))
        if beat.lost:
            return Attempted(status="lost", exit_code=code)
        if code is None:
            return Attempted(status="timed out", exit_code=None)
        return Attempted(status="failed" if code else "done", exit_code=code)

    def _once(self, deadline: float, beat: Heartbeat) -> int | None:
        env = {**os.environ, **self.env, "CTLOOP_SUPERVISOR": str(os.getpid())}
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            child = subprocess.Popen(
                self.command, cwd=self.cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            while child.poll() is None:
                if beat.lost or time.monotonic() > deadline:
                    return None
                time.sleep(_LOOK_SECONDS)
        finally:
            _stop(child)
        return child.returncode


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ask its group to end, then make it; also what it left behind when it ended by itself."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, signal_number)
        except ProcessLookupError:
            return
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
