"""Implements ``dashboards.loop.Loop`` on a workspace."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.adapters.case_index import CaseIndex
from components.adapters.cron import Cron
from components.adapters.sql_pages import SqlPages
from components.cohort.task import TASKS, Task
from components.errors import CtloopError, InputError, StateError
from components.operations.learning_curve import LearningCurve, Told, learning_curve, record_from
from components.operations.monitor_window import MonitorParams
from components.registry.learning_record import LearningRecord
from components.registry.ledger import Ledger
from components.registry.registry import ModelVersion, Registry
from dashboards.loop import ReportKind
from pipelines.composition import MODEL_NAMES, Services
from pipelines.figures.canvas import on_both_papers
from pipelines.figures.drift_timeline import Window, drift_timeline
from pipelines.figures.learning_curve import draw_learning_curve
from pipelines.gate import gate_folder
from pipelines.lease import outside_any_job
from pipelines.monitor import report_folder
from pipelines.params import load_section
from pipelines.schedule.jobs import jobs_of
from pipelines.schedule.params import JobParams
from pipelines.schedule.planner import supervisor_process
from pipelines.scheduler import scheduler_params

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,119}")
_LOG_BYTES = 200_000
_WINDOWS_DRAWN = 60
_FORECAST_SEED = 0
_VERB_SECONDS = 300.0


def run_verb(root: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """``ctloop WORDS`` in a process of its own, as a person would call it: with its lease and its history."""
    return subprocess.run(
        (sys.executable, "-P", "-m", "pipelines.cli", *words, "--workspace", str(root)),
        cwd=root, env=outside_any_job(), capture_output=True, text=True, check=False, timeout=_VERB_SECONDS,
    )  # fmt: skip


@dataclass(frozen=True)
class WorkspaceLoop:
    """``run`` calls a verb in the workspace."""

    services: Services
    run: Callable[[Path, Sequence[str]], subprocess.CompletedProcess[str]] = run_verb

    @property
    def registry(self) -> Registry:
        return self.services.registry

    @property
    def ledger(self) -> Ledger:
        return self.services.store

    @property
    def history(self) -> SqlPages:
        return self.services.store.pages

    def model_name(self, task: Task) -> str:
        return MODEL_NAMES[task]

    @cached_property
    def _indices(self) -> dict[Task, CaseIndex]:
        workspace = self.services.workspace
        return {task: CaseIndex(workspace.ingested(task) / "frames.parquet") for task in TASKS}

    def cases(self, task: Task) -> CaseIndex:
        return self._indices[task]

    def warm(self) -> None:
        """MLflow takes seconds to import, a package some to verify, many cases half a second to index."""
        for task in TASKS:
            self.cases(task).page(limit=1)
        self.history.answered()
        if self.ledger.entries("register"):
            self.registry.by_alias(self.model_name(TASKS[0]), "challenger")
            for task in TASKS:
                self.learning_curve(task, more=0)

    # --- schedule
    def schedule(self) -> list[dict[str, Any]]:
        params, now = scheduler_params(self.services), datetime.now(UTC)
        return [
            {
                "job": job.name,
                "next": _next(params.jobs[job.kind], params.time_zone, now),
                "trigger": _trigger(params.jobs[job.kind], params.time_zone),
            }
            for job in jobs_of(self.services.workspace, tuple(params.jobs))
        ]

    def run_now(self, job: str) -> bool:
        jobs = jobs_of(self.services.workspace, tuple(scheduler_params(self.services).jobs))
        chosen = next((one for one in jobs if one.name == job), None)
        if chosen is None:
            known = ", ".join(one.name for one in jobs)
            raise InputError(expected="a job of params.yaml", got=repr(job[:60]), hint=known or "scans first")
        queued = self.services.store.runs.queue(chosen.name, "by hand")
        supervisor_process(self.services.workspace)(chosen)
        return queued

    def budget_minutes(self, task: Task) -> float | None:
        try:
            params = load_section(MonitorParams, self.services.workspace.params, "monitor")
        except CtloopError:  # the page of jobs says what is wrong with them
            return None
        return params.budget_minutes[task]

    def log(self, run: int) -> str | None:
        path = self.services.workspace.scheduler_logs / f"{run}.log"
        if run >= 2**63 or not path.is_file():
            return None
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            return file.read().decode(errors="replace")

    # --- reports
    def window(self, task: Task, batch: str) -> Mapping[str, Any] | None:
        path = self._window_folder(task, batch) / "verdict.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def timeline(self, task: Task) -> tuple[bytes, bytes] | None:
        said = [entry.payload for entry in self.ledger.entries("drift") if entry.payload["task"] == task]
        windows = tuple(
            Window(str(one["batch"]), bool(one["alarmed"]), tuple(sorted(one["p_holm"].items())))
            for one in said[-_WINDOWS_DRAWN:]
        )
        return _drawn(windows) if windows else None

    # --- labels
    @cached_property
    def _records(self) -> dict[str, LearningRecord | None]:
        return {}

    def learning_curve(self, task: Task, *, more: int) -> LearningCurve:
        name = self.model_name(task)
        registered = any(e.subject.rpartition("/")[0] == name for e in self.ledger.entries("register"))
        versions = self.registry.versions(name) if registered else ()
        return _learned(tuple((one.version, self._record(task, one)) for one in versions), more)

    def _record(self, task: Task, version: ModelVersion) -> LearningRecord | None:
        """Packages never change, and fetching one verifies every byte of it."""
        if version.package_hash not in self._records:
            self._records[version.package_hash] = record_from(self.registry, task, version)
        return self._records[version.package_hash]

    def learning_picture(self, task: Task, *, more: int) -> tuple[bytes, bytes] | None:
        return _learning_picture(self.learning_curve(task, more=more), task)

    def novel(self, task: Task, batch: str, *, limit: int) -> list[dict[str, Any]]:
        ranked = self._scorecards(task, batch).sort_by([("novelty", "descending")])
        return _plain(ranked.slice(0, limit))

    def typical(self, task: Task, batch: str, *, limit: int) -> list[dict[str, Any]]:
        table = self._scorecards(task, batch)
        away = pc.abs(pc.subtract(table["novelty"], pc.approximate_median(table["novelty"])))
        ranked = table.append_column("away", away).sort_by([("away", "ascending"), ("frame_id", "ascending")])
        return _plain(ranked.slice(0, limit).drop_columns("away"))

    def _scorecards(self, task: Task, batch: str) -> pa.Table:
        """Of a window, what its page shows of them; empty when the report is not there."""
        path = self._window_folder(task, batch) / "scorecards.parquet"
        if not path.is_file():
            return pa.table({"frame_id": pa.array([], pa.string()), "novelty": pa.array([], pa.float64())})
        wanted = ("frame_id", "case_id", "novelty", "uncertainty")
        with pq.ParquetFile(path) as file:
            return file.read(columns=[name for name in wanted if name in file.schema_arrow.names])

    def report(self, kind: ReportKind, task: Task, name: str) -> Path | None:
        workspace = self.services.workspace
        folders = {
            "gate": lambda: gate_folder(workspace, task, int(name)),
            "dossier": lambda: workspace.reports / "dossier" / f"{task}-{int(name)}",
            "monitor": lambda: self._window_folder(task, name),
        }
        if kind != "monitor" and not re.fullmatch(r"[0-9]{1,9}", name):
            return None
        path = folders[kind]() / "index.html"
        return path if path.is_file() else None

    def _window_folder(self, task: Task, batch: str) -> Path:
        """No name leads out of the folder of reports."""
        safe = batch if _NAME.fullmatch(batch) and ".." not in batch else "-"
        return report_folder(self.services.workspace, task, safe)

    # --- decisions
    def promote(self, task: Task, *, by: str, override: str | None) -> str:
        words = ["promote", "--task", task, f"--by={by}"]
        return self._decide([*words, f"--override={override}"] if override else words)

    def roll_back(self, task: Task, *, by: str, reason: str) -> str:
        return self._decide(["rollback", "--task", task, f"--by={by}", f"--reason={reason}"])

    def _decide(self, words: Sequence[str]) -> str:
        try:
            done = self.run(self.services.workspace.root, words)
        except subprocess.TimeoutExpired as error:
            raise StateError(
                expected="an end", got=f"none after {error.timeout:g} s", hint="the page of jobs"
            ) from error
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise StateError(expected="that it is done", got=said[-1], hint="what it says")
        return done.stdout.strip()


@lru_cache(maxsize=4)
def _drawn(windows: tuple[Window, ...]) -> tuple[bytes, bytes]:
    return on_both_papers(drift_timeline(windows))


def _plain(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@lru_cache(maxsize=4)
def _learned(told: tuple[Told, ...], more: int) -> LearningCurve:
    return learning_curve(told, more=more, seed=_FORECAST_SEED)


@lru_cache(maxsize=4)  # a curve is its own key: the same versions give the same one
def _learning_picture(curve: LearningCurve, task: Task) -> tuple[bytes, bytes] | None:
    drawn = draw_learning_curve(curve, task)
    return on_both_papers(drawn) if drawn else None


def _next(job: JobParams, time_zone: str, now: datetime) -> str | None:
    found = Cron(job.cron, time_zone).after(now) if job.cron is not None else None
    return found.astimezone(UTC).isoformat(timespec="seconds") if found is not None else None


def _trigger(job: JobParams, time_zone: str) -> str:
    said = [f"{job.cron} ({time_zone})"] if job.cron is not None else []
    said += [f"{job.answers} answers"] if job.answers is not None else []
    said += ["a drift alarm"] if job.on_drift else []
    said += ["broken coverage"] if job.on_coverage else []
    return ", ".join(said) or "by hand"
