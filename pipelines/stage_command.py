"""``python -m pipelines.STAGE --task TASK [--workspace DIR]``: how DVC starts a stage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from components.cohort.task import TASKS, Task
from components.errors import BusyError, CtloopError
from pipelines.offline import switch_off_telemetry
from pipelines.workspace import Workspace

BUSY = 75
"""Exit code of a verb that found another job at work (``EX_TEMPFAIL`` of sysexits.h): the same again later."""


def run_stage(stage: Callable[[Workspace, Task], None]) -> None:
    """Run ``stage`` with the command line's workspace and task; a known error is one line and exit code 1."""
    switch_off_telemetry()
    parser = argparse.ArgumentParser(description=sys.modules[stage.__module__].__doc__)
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--workspace", type=Path, default=None, help="a clone; here unless given")
    arguments = parser.parse_args()
    with one_line_errors(stage.__name__):
        stage(Workspace.at(arguments.workspace), arguments.task)


@contextmanager
def one_line_errors(who: str) -> Iterator[None]:
    """A known error, one of the disk or Ctrl-C is one line and an exit code; no path, which could name people."""
    try:
        yield
    except CtloopError as error:
        _leave(f"{who}: {error}", BUSY if isinstance(error, BusyError) else 1)
    except OSError as error:
        found = error.strerror or type(error).__name__
        _leave(f"{who}: expected the disk to read and write, got {found!r}, try `ctloop doctor`", 1)
    except KeyboardInterrupt:
        _leave(f"{who}: interrupted; the same command goes on where it stood", 130)


def _leave(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(code)
