"""Job: a drift verdict of the last days, or of the patients seen last, from scorecards that are stored already."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.parquet import read_between, read_parquet
from components.adapters.score_store import ScoreStore
from components.adapters.whole_file import write_whole
from components.cohort.task import Task
from components.drift.sequential import StreamVerdict, follow_stream
from components.drift.verdict import DriftVerdict, assess_drift
from components.drift.window import Window, cases_in
from components.errors import StateError
from components.operations.monitor_window import MonitorParams
from components.operations.register_model import subject_of
from pipelines.composition import Services
from pipelines.keep_scores import store_of
from pipelines.params import load_section
from pipelines.workspace import Workspace

_LISTED = ("case_id", "patient_id", "acquired_at")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class JudgedWindow:
    """``stream`` follows the window's patients one by one; ``None`` where the reference is too small for that."""

    window: Window
    model_version: str
    cases: int
    scored: int
    verdict: DriftVerdict
    stream: StreamVerdict | None

    def as_json(self) -> dict[str, Any]:
        """Infinite thresholds become null."""
        content = {
            "window": {**dataclasses.asdict(self.window), "name": self.window.name},
            "model_version": self.model_version, "cases": self.cases, "scored": self.scored,
            "verdict": dataclasses.asdict(self.verdict), "stream": self.stream and self.stream.as_json(),
        }  # fmt: skip
        plain: dict[str, Any] = json.loads(json.dumps(content), parse_constant=lambda name: None)
        return plain

    def words(self) -> str:
        said = self.verdict.attribution.words() if self.verdict.attribution else ""
        stream = ""
        if self.stream is not None:
            peak = max(self.stream.log10_evidence, default=0.0)
            stream = f"stream: {'alarm' if self.stream.alarmed else 'no alarm'}, evidence at most {10**peak:.3g} to 1"
        lines = [
            f"{self.window.name}: {self.verdict.kind}, {self.verdict.reason} "
            f"({self.scored} of {self.cases} cases have scorecards)", said, stream,
        ]  # fmt: skip
        return "\n".join(line for line in lines if line)


def judge_window(services: Services, task: Task, window: Window) -> JudgedWindow:
    """Against the reference of the model in use; kept in ``.ctloop/reports/windows/TASK/NAME.json``.

    Only what the window needs is read: the days of the cases, and the row groups of the score store that hold them.
    Nothing is scored, nobody is asked and the ledger stays as it is: that is what monitoring a batch does.
    """
    workspace = services.workspace
    version = services.version_in_use(task)
    _, package = services.predictor(version)
    params = load_section(MonitorParams, workspace.params, "monitor", task)
    judged = judge_stored(
        workspace.prepared(task) / "frames.parquet",
        store_of(workspace, task, version),
        read_parquet(package / "reference.parquet"),
        window,
        params,
        model_version=subject_of(version),
    )
    target = window_file(workspace, task, window)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, json.dumps(judged.as_json(), indent=1, sort_keys=True) + "\n")
    return judged


def window_file(workspace: Workspace, task: Task, window: Window) -> Path:
    return workspace.reports / "windows" / task / f"{window.name}.json"


def judge_stored(
    frames: Path,
    store: ScoreStore,
    reference: pd.DataFrame,
    window: Window,
    params: MonitorParams,
    *,
    model_version: str,
) -> JudgedWindow:
    """``judge_window`` without a registry.

    Raises ``StateError`` where no scan of the window is known by its day.
    """
    listed = read_between(frames, _LISTED, "acquired_at", window.first_day, window.until)
    cases = cases_in(listed, window)
    if not cases:
        raise StateError(
            expected=f"scans from {window.first_day} to {window.until}",
            got="none with a known day",
            hint="`acquired_at` in cases.csv, or another day after --until",
        )
    cards = store.read(cases)
    if cards.empty:
        cards = reference.iloc[:0]
    order = {case: place for place, case in enumerate(cases)}
    fresh = cards[~cards["patient_id"].isin(set(reference["patient_id"]))]
    fresh = fresh.sort_values("case_id", key=lambda names: names.map(order), kind="stable")
    return JudgedWindow(
        window=window, model_version=model_version, cases=len(cases), scored=cards["case_id"].nunique(),
        verdict=assess_drift(reference, cards, params.drift),
        stream=follow_stream(reference, fresh, params.stream) if len(fresh) else None,
    )  # fmt: skip
