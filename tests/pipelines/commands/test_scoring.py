"""The verb with a real registry: what it scores, what it says, and that the monitor takes what it stored."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.adapters.parquet import read_parquet
from components.cohort.task import Task
from pipelines.cli import app
from pipelines.composition import MODEL_NAMES, Services
from pipelines.evaluate import evaluate
from pipelines.keep_scores import store_of
from pipelines.register import register
from pipelines.turn import watch
from tests.pipelines.judged_workspace import commit_with_lock, make_workspace

TASK: Task = "classification"


@pytest.mark.slow
def test_the_pool_is_scored_by_the_model_in_use_and_the_monitor_scores_the_rest(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", TASK, train=5, test=2)
    commit_with_lock(workspace, TASK)
    evaluate(workspace, TASK)
    services = Services(workspace)
    version = register(workspace, TASK, services.registry, services.store, name=MODEL_NAMES[TASK])
    for case in ("cp00", "cp01", "cp02", "cp05"):  # the last patient is held out
        (workspace.labels(TASK) / f"{case}.sidecar.json").unlink()
    command = ["score", "--task", TASK, "--json", "--workspace", str(workspace.root)]
    said = json.loads(_run(*command, exit_code=0))
    assert (said["model"], said["cases"], said["scored"]) == ("ctloop-classification/1", 3, 3)
    assert sorted(path.name for path in Path(said["scores"]).iterdir()) == [
        "lease", "part-00000001.parquet", "quarantine.json",
    ]  # fmt: skip
    named = json.loads(_run(*command, "--model", "models:/ctloop-classification/1", exit_code=0))
    assert (named["known"], named["scored"]) == (3, 0)

    (workspace.prepared(TASK) / "frames" / "cp03.b2nd").write_bytes(b"rubbish")
    report = watch(services, TASK, "two", now=lambda: datetime.now(UTC)).report
    frames = read_parquet(workspace.prepared(TASK) / "frames.parquet")
    batch = set(frames.loc[frames["batch"] == "two", "case_id"])
    assert set(report.scorecards["case_id"]) == batch - {"cp03"}
    assert list(report.failures) == ["cp03"]
    stored = set(store_of(workspace, TASK, version).index().contents)
    first = set(frames.loc[frames["batch"] == "one", "case_id"]) - {
        "cp06"
    }  # familiar: what the model learned from
    assert stored == {"cp00", "cp01", "cp02"} | batch | first

    failed = json.loads(_run(*command, "--all", "--retry", exit_code=1))
    assert list(failed["quarantined_now"]) == ["cp03"]
    assert (failed["cases"], failed["left"]) == (7, 0)


def _run(*words: str, exit_code: int) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == exit_code, result.output
    return result.stdout
