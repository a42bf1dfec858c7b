"""``python -m pipelines.STAGE --task TASK [--workspace DIR]``: how DVC starts a stage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from components.cohort.task import TASKS, Task
from components.errors import CtloopError
from pipelines.offline import switch_off_telemetry
from pipelines.workspace import Workspace


def run_stage(stage: Callable[[Workspace, Task], None]) -> None:
    """Run ``stage`` with the command line's workspace and task; a known error is one line and exit code 1."""
    switch_off_telemetry()
    parser = argparse.ArgumentParser(description=sys.modules[stage.__module__].__doc__)
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--workspace", type=Path, default=None, help="a clone; here unless given")
    arguments = parser.parse_args()
    try:
        stage(Workspace.at(arguments.workspace), arguments.task)
    except CtloopError as error:
        print(f"{stage.__name__}: {error}", file=sys.stderr)
        sys.exit(1)
