"""One MLflow run per training: parameters, lineage, loss curves, and never a run that stays "running"."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.adapters.mlflow_experiment import experiment_id
from components.adapters.mlflow_quiet import quiet_mlflow
from components.adapters.mlflow_store import ensure_store

_KEY = "ctloop.training_key"
_LONGEST_PARAMETER = 500


class TrainingLog:
    """An open run; metrics are sent in batches, since single calls cost six milliseconds each."""

    def __init__(self, client: Any, run_id: str, experiment: str = "0") -> None:
        self._client, self.run_id, self._experiment = client, run_id, experiment
        self._waiting: list[Any] = []
        self._round: TrainingLog | None = None

    def begin(self, step: str, facts: Mapping[str, str]) -> None:
        """Open a nested run for a round of self-training; ``facts`` become tags."""
        tags = {**facts, "mlflow.parentRunId": self.run_id, "step": step}
        run = self._client.create_run(self._experiment, run_name=step, tags=tags)
        self._round = TrainingLog(self._client, str(run.info.run_id), self._experiment)

    def end(self, step: str, facts: Mapping[str, Any]) -> None:
        """Close the round's run: numbers become metrics, all else tags. A rejected round is FINISHED too."""
        assert self._round is not None
        numbers = {k: v for k, v in facts.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        self._round.metrics(numbers)
        for name, value in facts.items():
            if name not in numbers:
                self._client.set_tag(self._round.run_id, name, str(value))
        self._client.set_terminated(self._round.run_id, "FINISHED")
        self._round = None

    def close(self, status: str) -> None:
        """End the run, and as FAILED a round that is still open."""
        if self._round is not None:
            self._round.close("FAILED")
        self.flush()
        self._client.set_terminated(self.run_id, status)

    def epoch(self, step: str, number: int, loss: float) -> None:
        """The mean loss of epoch ``number`` of ``step``; sent every 20 epochs and at the end."""
        from mlflow.entities import Metric

        self._waiting.append(Metric(f"loss/{step}", loss, _now_ms(), number))
        if self._round is not None:
            self._round.epoch(step, number, loss)
        if len(self._waiting) >= 20:
            self.flush()

    def metrics(self, values: Mapping[str, float]) -> None:
        """Final numbers; those that are not finite are left out, since SQL stores cannot hold them all."""
        from mlflow.entities import Metric

        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        self._waiting += [Metric(name, value, _now_ms(), 0) for name, value in finite.items()]
        self.flush()

    def file(self, path: Path) -> None:
        """Keep a small file with the run."""
        self._client.log_artifact(self.run_id, str(path))

    def flush(self) -> None:
        if self._waiting:
            self._client.log_batch(self.run_id, metrics=self._waiting)
            self._waiting = []


@contextmanager
def training_run(
    *,
    uri: str,
    artifacts: Path,
    experiment: str,
    name: str,
    key: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Iterator[TrainingLog]:
    """Open a run and close it as FINISHED, or FAILED when the block raises.

    Args:
        uri: tracking store.
        artifacts, experiment: see ``experiment_id``.
        name: of the run.
        key: hash of what determines the training; runs of the same key that a kill left open become FAILED.
        parameters: nested mappings are flattened with dots.
        tags: lineage by hash; no identifiers.
    """
    quiet_mlflow()
    ensure_store(uri)
    from mlflow import MlflowClient
    from mlflow.entities import Param

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    home = experiment_id(client, experiment, artifacts)
    _close_abandoned(client, home, key)
    run_id = str(client.create_run(home, run_name=name, tags={**tags, _KEY: key}).info.run_id)
    log = TrainingLog(client, run_id, home)
    status = "FAILED"
    try:
        client.log_batch(run_id, params=[Param(k, v[:_LONGEST_PARAMETER]) for k, v in flatten(parameters)])
        yield log
        status = "FINISHED"
    finally:
        log.close(status)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """``{"a": {"b": 1}}`` → ``("a.b", "1")``."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _close_abandoned(client: Any, experiment: str, key: str) -> None:
    query = f"tags.`{_KEY}` = '{key}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment], filter_string=query):
        nested = f"tags.`mlflow.parentRunId` = '{run.info.run_id}' and attributes.status = 'RUNNING'"
        for each in (*client.search_runs([experiment], filter_string=nested), run):
            client.set_terminated(each.info.run_id, "FAILED")


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
