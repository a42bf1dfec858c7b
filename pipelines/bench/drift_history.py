"""Whether a day's verdict costs the same however long the past is: ``python -m pipelines.bench.drift_history FOLDER``.

The store has as many scored cases as asked, a fixed number a day; a process of its own judges the newest day as
``ctloop monitor --days 1`` does, and prints its seconds and the peak of its memory in MiB.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.adapters.parquet import read_parquet
from components.adapters.score_part import CONTENT, failures_as_metadata
from components.adapters.score_store import ScoreStore
from components.drift.window import Window
from components.operations.monitor_window import MonitorParams
from pipelines.bench.inference_memory import Peak
from pipelines.judge_window import judge_stored
from pipelines.offline import switch_off_telemetry

A_DAY = 200
LAST_DAY = "2026-06-30"
_PART, _GROUP = 20_000, 1024  # rows, as a store that was compacted has them


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one process that judged one day."""

    cases: int
    seconds: float
    peak_mib: float
    kind: str


def write_history(
    folder: Path, features: pd.DataFrame, reference: pd.DataFrame, *, cases: int, seed: int
) -> None:
    """``cases`` scored cases of a frame each, drawn from ``features``, as ``ctloop score`` leaves them."""
    store = ScoreStore(folder / "scores")
    store.folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    names = np.array([f"case-{number:07d}" for number in range(cases)])
    days = _days(cases)
    for number, start in enumerate(range(0, cases, _PART)):
        part = names[start : start + _PART]
        rows = features.iloc[rng.integers(0, len(features), len(part))]
        rows = rows.assign(frame_id=part, case_id=part, patient_id=part, **{CONTENT: "0" * 32})
        table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(
            failures_as_metadata([])
        )
        pq.write_table(table, store.folder / f"part-{number + 1:08d}.parquet", row_group_size=_GROUP)
    pd.DataFrame({"case_id": names, "patient_id": names, "acquired_at": days}).to_parquet(
        folder / "frames.parquet", index=False
    )
    reference.to_parquet(folder / "reference.parquet", index=False)


def _days(cases: int) -> list[str]:
    last = datetime.date.fromisoformat(LAST_DAY)
    return [(last - datetime.timedelta(days=(cases - 1 - i) // A_DAY)).isoformat() for i in range(cases)]


def measured(folder: Path, cases: int) -> Cost:
    """In a new process, with one thread."""
    command = [sys.executable, "-m", "pipelines.bench.drift_history", str(folder)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=one_thread, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"judging a day ended with {done.returncode}: {done.stderr[-2000:]}")
    return Cost(cases=cases, **json.loads(done.stdout.splitlines()[-1]))


def _main(folder: Path) -> dict[str, float | str]:
    began = time.perf_counter()
    peak = Peak()
    peak.start()
    judged = judge_stored(
        folder / "frames.parquet", ScoreStore(folder / "scores"), read_parquet(folder / "reference.parquet"),
        Window(until=LAST_DAY, days=1), MonitorParams(), model_version="bench/1",
    )  # fmt: skip
    peak.rise_mib()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_mib": peak.highest / 2**20, "kind": judged.verdict.kind}


if __name__ == "__main__":
    switch_off_telemetry()
    print(json.dumps(_main(Path(sys.argv[1]))))
