"""Job: watch a batch with the model in use; write the report, store it, name the frames to ask about."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.cohort.task import Task
from components.errors import StateError
from components.operations.acquire import Acquisition
from components.operations.monitor_window import MonitorParams, WindowReport, monitor_window
from components.operations.scoring import Scored
from components.operations.window_quality import WindowQuality
from components.scorecard.window_quality import ErrorOfMeans
from components.volume.volume import Volume
from pipelines.acquisition import acquisition_of
from pipelines.params import load_section
from pipelines.prepared_cases import prepared_volume
from pipelines.workspace import Workspace


def monitor(
    workspace: Workspace,
    task: Task,
    batch: str,
    *,
    score: Callable[[pd.DataFrame], Scored],
    model_version: str,
    reference: pd.DataFrame,
    history: Sequence[bool] = (),
    excluded_patients: Collection[str] = (),
    familiar: pd.DataFrame | None = None,
    acquisition: Acquisition | None = None,
    errors: ErrorOfMeans | None = None,
    measured: Mapping[str, float] | None = None,
) -> WindowReport:
    """Monitor the prepared frames of ``batch``; the report lies in ``.ctloop/reports/monitor/TASK-BATCH``.

    It is kept as an MLflow run with metrics and files, and as a run in the Evidently workspace, too.

    Args:
        workspace: whose prepared frames, parameters and stores to use.
        task: which model.
        batch: which batch.
        score: rows of frames.parquet → their scorecards by the model in use.
        model_version: its name, e.g. ``ctloop-segmentation/3``.
        reference: scorecards of held-out patients, from the model's package.
        history: whether earlier windows of this model version raised an alarm, oldest first.
        excluded_patients: labelled or test patients, never asked about.
        familiar: scorecards that novelty is measured against; the reference unless given.
        acquisition: who chooses cases, with what is known from answers; the parameters' own unless given.
        errors: of means of predicted qualities, from the model's package.
        measured: case_id → quality by a returned label of a randomly drawn case.
    """
    params = load_section(MonitorParams, workspace.params, "monitor", task)
    frames, load = _frames_of(workspace, task, batch), prepared_volume(workspace, task)
    report = monitor_window(
        task=task,
        model_version=model_version,
        reference=reference,
        scored=score(frames),
        params=params,
        history=history,
        excluded_patients=excluded_patients,
        familiar=familiar,
        acquisition=acquisition or acquisition_of(workspace, task, strategy=params.strategy),
        errors=errors,
        measured=measured,
    )
    hashes = {"reference_sha256": table_hash(reference), "frames_sha256": table_hash(frames)}
    _write(report_folder(workspace, task, batch), report, task, batch, params, load, hashes)
    _log(workspace, report, task, batch, hashes)
    _show(workspace, report, task, batch, params, hashes)
    return report


def report_folder(workspace: Workspace, task: Task, batch: str) -> Path:
    """Where the report of a batch lies: scorecards.parquet, verdict.json, index.html."""
    return workspace.reports / "monitor" / f"{task}-{batch}"


def verdict_json(report: WindowReport) -> dict[str, Any]:
    """Verdict, thresholds, candidates and failures as JSON-able values; infinite thresholds become null."""
    content = {
        "model_version": report.model_version,
        "verdict": dataclasses.asdict(report.verdict),
        "thresholds": [
            {**dataclasses.asdict(threshold), "level": threshold.level} for threshold in report.thresholds
        ],
        "candidates": [dataclasses.asdict(candidate) for candidate in report.candidates],
        "acquisition": _acquisition_json(report.acquisition),
        "failures": report.failures,
        "quality": dataclasses.asdict(report.quality),
        "stream": report.stream and report.stream.as_json(),
        "false_alarms": dataclasses.asdict(report.false_alarms) if report.false_alarms else None,
    }
    plain: dict[str, Any] = json.loads(json.dumps(content), parse_constant=lambda name: None)
    return plain


def _acquisition_json(acquisition: Acquisition) -> dict[str, Any]:
    return {
        "strategy": acquisition.name,
        "leads": acquisition.leads,
        "arms": dataclasses.asdict(acquisition.arms) if acquisition.arms else None,
        "minutes": dataclasses.asdict(acquisition.minutes),
        "words": acquisition.words(),
    }


def _write(
    folder: Path,
    report: WindowReport,
    task: Task,
    batch: str,
    params: MonitorParams,
    load: Callable[[str], Volume],
    hashes: Mapping[str, str],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report.scorecards.to_parquet(folder / "scorecards.parquet", index=False)
    verdict = json.dumps({**verdict_json(report), **hashes}, indent=1, sort_keys=True)
    write_whole(folder / "verdict.json", verdict + "\n")
    write_whole(folder / "index.html", _page(report, task, batch, params, load))


def _page(
    report: WindowReport, task: Task, batch: str, params: MonitorParams, load: Callable[[str], Volume]
) -> str:
    from pipelines.figures.drift_distributions import drift_distributions
    from pipelines.figures.drift_map import drift_map
    from pipelines.figures.novelty import novelty_gallery
    from pipelines.render import render

    return render(
        "monitor.html",
        task=task,
        batch=batch,
        model_version=report.model_version,
        verdict=report.verdict,
        thresholds=report.thresholds,
        candidates=report.candidates,
        failures=report.failures,
        false_alarms=report.false_alarms,
        quality=report.quality,
        stream=report.stream,
        acquisition=report.acquisition.words(),
        frames=len(report.scorecards),
        neighbours=params.neighbours,
        distributions=drift_distributions(report.reference, report.scorecards, report.thresholds),
        embedding_map=drift_map(report.reference, report.scorecards),
        familiar=novelty_gallery(report.scorecards, load, task),
    )


def _log(
    workspace: Workspace, report: WindowReport, task: Task, batch: str, hashes: Mapping[str, str]
) -> None:
    from components.adapters.mlflow_job_run import log_job_run

    log_job_run(
        uri=workspace.mlflow_uri,
        artifacts=workspace.mlflow_artifacts,
        experiment=f"ctloop-{task}/monitor",
        name=f"monitor {batch}",
        tags={**hashes, "model_version": report.model_version, "verdict": report.verdict.kind},
        metrics=_numbers(report),
        folder=report_folder(workspace, task, batch),
    )


def _show(
    workspace: Workspace,
    report: WindowReport,
    task: Task,
    batch: str,
    params: MonitorParams,
    hashes: Mapping[str, str],
) -> None:
    from components.adapters.evidently_reports import save_drift_report

    save_drift_report(
        workspace.evidently,
        project=f"ctloop-{task}",
        name=f"{batch} seen by {report.model_version}",
        verdict=report.verdict,
        scorecards=report.scorecards,
        thresholds=report.thresholds,
        min_patients=params.drift.min_patients,
        metadata={"batch": batch, "model_version": report.model_version, **hashes},
    )


def _numbers(report: WindowReport) -> dict[str, float]:
    verdict = report.verdict
    return {
        "drift_alarmed": float(verdict.alarmed),
        "n_reference": float(verdict.n_reference),
        "n_window": float(verdict.n_window),
        "candidates": float(len(report.candidates)),
        "candidate_minutes": sum(candidate.minutes for candidate in report.candidates),
        "failures": float(len(report.failures)),
        "uncertainty_mean": float(report.scorecards["uncertainty"].mean()),
        "novelty_max": float(report.scorecards["novelty"].max()),
        **_quality_numbers(report.quality),
        **{f"{channel.name}_p_holm": channel.p_holm for channel in verdict.channels},
        **{f"{channel.name}_effect": channel.effect for channel in verdict.channels},
    }


def _quality_numbers(quality: WindowQuality) -> dict[str, float]:
    found = {"estimated": quality.estimated, "measured": quality.measured, "current": quality.current}
    return {f"quality_{name}": one.value for name, one in found.items() if one is not None}


def _frames_of(workspace: Workspace, task: Task, batch: str) -> pd.DataFrame:
    frames = read_parquet(workspace.prepared(task) / "frames.parquet")
    chosen = frames[frames["batch"] == batch]
    if chosen.empty:
        raise StateError(
            expected=f"prepared frames of batch {batch!r} for {task}",
            got=", ".join(sorted(set(frames["batch"]))) or "no frames",
            hint="`ctloop ingest` and `ctloop prepare`, or another batch name",
        )
    return chosen


def table_hash(table: pd.DataFrame) -> str:
    """What the verdict names the table by that the monitor read: of frames, or of the reference."""
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
