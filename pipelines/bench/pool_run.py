"""``ctloop score`` in a process of its own, timed: ``python -m pipelines.bench.pool_run ROOT PACKAGE LOG KILL_AT``.

Each prediction is a line in LOG; the process is killed at the one with number KILL_AT (0: at none). Prints the seconds
of the job and the peak of resident memory of the whole process, in MiB.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.cohort.task import Task
from components.models.prediction import FramePrediction, Predictor
from components.registry.registry import ModelVersion
from components.volume.volume import Volume
from pipelines.bench.inference_memory import Peak
from pipelines.offline import switch_off_telemetry
from pipelines.workspace import Workspace

VERSION = ModelVersion(
    name="ctloop-segmentation", version=1, package_hash="0" * 64, run_id="", aliases=("champion",), tags={},
    created_at="",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ran:
    """``looked``: predictions that the process made; ``seconds`` and ``peak_mib`` are NaN if it was killed."""

    looked: int
    seconds: float
    peak_mib: float
    scored: int


def run_score(workspace: Workspace, package: Path, log: Path, *, kill_at: int = 0) -> Ran:
    """Score the pool of ``workspace`` in a new process, with one thread."""
    command = [
        sys.executable, "-m", "pipelines.bench.pool_run",
        str(workspace.root), str(package), str(log), str(kill_at),
    ]  # fmt: skip
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=one_thread, capture_output=True, text=True, check=False)
    if done.returncode != (-signal.SIGKILL if kill_at else 0):
        raise RuntimeError(f"scoring ended with {done.returncode}: {done.stderr[-2000:]}")
    said = {} if kill_at else json.loads(done.stdout.splitlines()[-1])
    looked = log.read_text().count("\n") if log.exists() else 0
    nan = float("nan")
    return Ran(
        looked=looked,
        seconds=said.get("seconds", nan),
        peak_mib=said.get("peak_mib", nan),
        scored=said.get("scored", 0),
    )


class _Watched:
    """A predictor that notes what it does."""

    def __init__(self, inner: Predictor, log: Path, kill_at: int) -> None:
        self._inner, self._kill_at, self._looked = inner, kill_at, 0
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    @property
    def task(self) -> Task:
        return self._inner.task

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._inner.label_names

    def predict(self, volume: Volume) -> FramePrediction:
        self._looked += 1
        os.write(self._log, b".\n")
        prediction = self._inner.predict(volume)
        if self._looked == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return prediction


def _main(root: Path, package: Path, log: Path, kill_at: int) -> dict[str, Any]:
    from components.models.package import load_predictor
    from pipelines.bench.pool_data import TASK
    from pipelines.prepared_cases import pool_cases, prepared_volume
    from pipelines.score import score

    workspace = Workspace(root=root, state=root / ".ctloop")
    peak = Peak()
    peak.start()
    predictor = load_predictor(package)
    first = next(iter(pool_cases(workspace, TASK)))
    predictor.predict(prepared_volume(workspace, TASK)(first.case_id))  # what only the first prediction costs
    watched = _Watched(predictor, log, kill_at)
    started = time.perf_counter()
    result = score(workspace, TASK, VERSION, load_predictor=lambda: watched)
    seconds = time.perf_counter() - started
    peak.rise_mib()
    return {"seconds": seconds, "peak_mib": peak.highest / 2**20, "scored": result["scored"]}


if __name__ == "__main__":
    switch_off_telemetry()
    print(json.dumps(_main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
