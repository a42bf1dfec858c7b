"""What the killing of retrainings is judged by, on a store in which something is left."""

from __future__ import annotations

from pathlib import Path

from components.adapters.sql_store import open_store
from pipelines.workspace import Workspace
from tests.acceptance.killed_retraining import still_running


def test_what_a_killed_one_leaves_is_named(tmp_path: Path) -> None:
    workspace = Workspace(root=tmp_path, state=tmp_path / "state")
    workspace.state.mkdir()
    store = open_store(f"sqlite:///{workspace.state / 'ctloop.db'}")
    assert still_running(workspace, store) == []
    job = store.start_job("retrain")
    store.runs.queue("retrain-segmentation", "by hand")
    (run,) = store.runs.waiting()
    store.runs.start(run.id, "one")
    store.leases.take("job retrain-segmentation", "one", 60.0)
    store.leases.take("registry ctloop-segmentation", "one", 60.0)
    found = still_running(workspace, store)
    assert [words.split(",")[0] for words in found] == [
        "job retrain",
        f"scheduled run {run.id} of retrain-segmentation",
        "lease 'job retrain-segmentation'",
        "lease 'registry ctloop-segmentation'",
    ]
    store.finish_job(job, "interrupted", {})
    store.runs.end(run.id, "lost", exit_code=None)
    for name in ("job retrain-segmentation", "registry ctloop-segmentation"):
        store.leases.drop(name, "one")
    assert still_running(workspace, store) == []
    store.close()
