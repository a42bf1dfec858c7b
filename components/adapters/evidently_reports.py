"""Drift verdicts in an Evidently workspace folder, for ``evidently ui``.

Evidently only stores and shows: its own drift defaults are not calibrated for small windows, so our values go
in as columns of built-in metrics and our thresholds as the stated bounds of built-in tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.drift.verdict import DriftVerdict
from components.scorecard.columns import MEASURED, QUALITY
from components.scorecard.reference_threshold import ReferenceThreshold

WATCHED = ("uncertainty", "temporal_jump", "novelty")
_QUALITY = (QUALITY, MEASURED)


def save_drift_report(
    folder: Path,
    *,
    project: str,
    name: str,
    verdict: DriftVerdict,
    scorecards: pd.DataFrame,
    thresholds: Sequence[ReferenceThreshold],
    min_patients: int,
    metadata: Mapping[str, str],
) -> str:
    """Add the window as a run of ``project``; a run of the same name is replaced. Returns the run's id.

    The run's data set has one row per patient of the window (the worst frame's values). Its tests: enough
    patients; each channel's Holm-adjusted p-value above alpha; uncertainty and temporal jump below the
    reference's thresholds.

    Args:
        folder: Evidently workspace, made when missing.
        project: one per model.
        name: of the run, e.g. the batch and the model version.
        verdict: of the window.
        scorecards: of the window, with ``novelty``.
        thresholds: of the reference.
        min_patients: of the drift parameters.
        metadata: shown with the run; no identifiers.
    """
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from evidently import DataDefinition, Dataset, Report
    from evidently.ui.workspace import Workspace

    table = patient_table(verdict, scorecards)
    metrics = _metrics(verdict, table, thresholds, min_patients)
    data = Dataset.from_pandas(table, data_definition=DataDefinition(numerical_columns=list(table.columns)))
    said = {"verdict": verdict.kind, "reason": verdict.reason}
    if verdict.attribution is not None:
        said["attribution"] = verdict.attribution.words()
    run = Report(metrics, metadata={**metadata, **said}, tags=[verdict.kind]).run(data, None, name=name)
    workspace = Workspace.create(str(folder))
    found = workspace.search_project(project)
    home = found[0] if found else workspace.create_project(project)
    for stale in _runs_named(workspace, home.id, name):
        workspace.delete_run(home.id, stale)
    return str(workspace.add_run(home.id, run).id)


def patient_table(verdict: DriftVerdict, scorecards: pd.DataFrame) -> pd.DataFrame:
    """One row per patient: its worst values and mean quality; the window's adjusted p-values and effects repeated."""
    present = [
        column for column in WATCHED if column in scorecards and bool(scorecards[column].notna().any())
    ]
    table = scorecards.groupby("patient_id")[present].max().reset_index(drop=True)
    known = [column for column in _QUALITY if column in scorecards and bool(scorecards[column].notna().any())]
    means = scorecards.groupby("patient_id")[known].mean().reset_index(drop=True)
    of_window = {_p_column(channel.name): channel.p_holm for channel in verdict.channels}
    of_window |= {_effect_column(channel.name): channel.effect for channel in verdict.channels}
    return pd.concat([table, means], axis=1).assign(**of_window)


def _p_column(channel: str) -> str:
    return f"p_{channel}"


def _effect_column(channel: str) -> str:
    return f"effect_{channel}"


def _metrics(
    verdict: DriftVerdict,
    table: pd.DataFrame,
    thresholds: Sequence[ReferenceThreshold],
    min_patients: int,
) -> list[Any]:
    from evidently.metrics import MaxValue, MeanValue, MinValue, RowCount
    from evidently.tests import gt, gte, lte

    bounds = {threshold.column: threshold.value for threshold in thresholds}
    metrics: list[Any] = [RowCount(tests=[gte(min_patients)])]
    for channel in verdict.channels:
        metrics.append(MinValue(column=_p_column(channel.name), tests=[gt(verdict.alpha)]))
        metrics.append(MeanValue(column=_effect_column(channel.name)))
    for column in WATCHED:
        if column in table and len(table):
            bound = [lte(bounds[column])] if column in bounds else None
            metrics += [MeanValue(column=column), MaxValue(column=column, tests=bound)]
    metrics += [MeanValue(column=column) for column in _QUALITY if column in table]
    return metrics


def _runs_named(workspace: Any, project_id: Any, name: str) -> Iterator[Any]:
    for run_id in list(workspace.list_runs(project_id)):
        run = workspace.get_run(project_id, run_id)
        if run is not None and run.name == name:
            yield run_id
