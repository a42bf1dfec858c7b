"""One finished MLflow run per job: what it read and wrote, its numbers, its files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from components.adapters.mlflow_quiet import quiet_mlflow


def log_job_run(
    *,
    uri: str,
    artifacts: Path,
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    folder: Path | None = None,
) -> str:
    """Log a finished run in one batch and return its id.

    Args:
        uri: tracking store.
        artifacts: folder for a new experiment (MLflow's default depends on the current folder).
        experiment: made when missing.
        name: of the run.
        tags: what the job read and wrote, by hash; no identifiers.
        metrics: values that are not finite are left out, since SQL stores cannot hold them all.
        folder: its files become the run's artifacts.
    """
    quiet_mlflow()
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    known = client.get_experiment_by_name(experiment)
    home = (
        known.experiment_id
        if known
        else client.create_experiment(
            experiment, artifact_location=f"{artifacts.resolve().as_uri()}/{experiment}"
        )
    )
    run_id = str(client.create_run(home, run_name=name, tags=dict(tags)).info.run_id)
    now = int(datetime.now(UTC).timestamp() * 1000)
    finite = [Metric(key, float(value), now, 0) for key, value in metrics.items() if math.isfinite(value)]
    client.log_batch(run_id, metrics=finite)
    if folder is not None:
        client.log_artifacts(run_id, str(folder))
    client.set_terminated(run_id, "FINISHED")
    return run_id
