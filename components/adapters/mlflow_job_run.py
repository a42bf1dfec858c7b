"""One finished MLflow run per job: what it read and wrote, its numbers, its files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from components.adapters.mlflow_experiment import experiment_id
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
        artifacts, experiment: see ``experiment_id``.
        name: of the run.
        tags: what the job read and wrote, by hash; no identifiers.
        metrics: values that are not finite are left out, since SQL stores cannot hold them all.
        folder: its files become the run's artifacts.
    """
    quiet_mlflow()
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    home = experiment_id(client, experiment, artifacts)
    run_id = str(client.create_run(home, run_name=name, tags=dict(tags)).info.run_id)
    now = int(datetime.now(UTC).timestamp() * 1000)
    finite = [Metric(key, float(value), now, 0) for key, value in metrics.items() if math.isfinite(value)]
    client.log_batch(run_id, metrics=finite)
    if folder is not None:
        client.log_artifacts(run_id, str(folder))
    client.set_terminated(run_id, "FINISHED")
    return run_id
