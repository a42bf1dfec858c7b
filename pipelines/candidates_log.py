"""The MLflow run of a comparison of candidates."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from components.cohort.task import Task
from pipelines.candidates import Comparison
from pipelines.retrain_params import RetrainParams
from pipelines.workspace import Workspace


def log_candidates(
    workspace: Workspace,
    task: Task,
    params: RetrainParams,
    compared: Comparison,
    *,
    version: str,
    table: Path,
) -> None:
    """Log ``table``, each candidate's numbers as metrics, and the data version (a commit) that they are trained on."""
    from components.adapters.training_log import training_run

    with training_run(
        uri=workspace.mlflow_uri,
        artifacts=workspace.mlflow_artifacts,
        experiment=f"ctloop-{task}/retrain",
        name=f"candidates-{version[:8]}",
        key=f"candidates-{version}",
        parameters=dataclasses.asdict(params),
        tags={
            "task": task,
            "data_version": version,
            "challenger": compared.best.start,
            "note": compared.note,
        },
    ) as log:
        for one in compared.candidates:
            score = {} if one.score is None else {one.score.metric: one.score.value}
            numbers = {**score, "steps": one.steps, "minutes": one.minutes}
            log.metrics(
                {f"{name}/{one.start}": value for name, value in numbers.items() if value is not None}
            )
        log.metrics({"validation_patients": compared.patients})
        log.file(table)
