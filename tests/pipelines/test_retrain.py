from __future__ import annotations

from pathlib import Path

from pipelines.dvc_commands import head
from pipelines.retrain import retrain
from tests.pipelines.answering_workspace import CHEST_CASE, CHEST_REQUEST
from tests.pipelines.tracked_workspace import answer_on_the_page, tracked_workspace


def test_an_answer_is_trained_on_though_nobody_published_it(tmp_path: Path) -> None:
    workspace, store = tracked_workspace(tmp_path)
    start = head(workspace.root)
    answer_on_the_page(workspace, store)

    assert "train@classification" in retrain(workspace, "classification")

    assert f"{CHEST_CASE}.json" in (workspace.root / "models" / "seen").read_text()
    assert (workspace.answers("classification") / f"{CHEST_CASE}.sidecar.json").exists()
    assert head(workspace.root) != start
    found, (entry,) = store.request(CHEST_REQUEST.id), store.entries("label_set")
    assert found is not None
    assert found.label_set_version == entry.payload["version"]
    store.close()
