from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import StateError
from pipelines.dvc_commands import head, run_quietly
from pipelines.retrain import retrain
from pipelines.temporary_clone import temporary_clone
from tests.pipelines.answering_workspace import CHEST_CASE, CHEST_REQUEST
from tests.pipelines.tracked_workspace import answer_on_the_page, tracked_workspace


def test_an_answer_is_trained_on_though_nobody_published_it(tmp_path: Path) -> None:
    workspace, store = tracked_workspace(tmp_path)
    start = head(workspace.root)
    answer_on_the_page(workspace, store)

    assert "train@classification" in retrain(workspace, "classification").ran

    assert f"{CHEST_CASE}.json" in (workspace.root / "models" / "seen").read_text()
    assert (workspace.answers("classification") / f"{CHEST_CASE}.sidecar.json").exists()
    assert head(workspace.root) != start
    found, (entry,) = store.request(CHEST_REQUEST.id), store.entries("label_set")
    assert found is not None
    assert found.label_set_version == entry.payload["version"]
    store.close()


def test_no_commit_is_made_on_a_detached_head(tmp_path: Path) -> None:
    workspace, store = tracked_workspace(tmp_path)
    store.close()
    start = head(workspace.root)
    run_quietly(workspace.root, "git", "checkout", "--quiet", "--detach")
    with pytest.raises(StateError, match="a workspace on a branch"):
        retrain(workspace, "classification")
    assert head(workspace.root) == start


def test_a_clone_of_a_commit_that_is_gone_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    workspace, store = tracked_workspace(tmp_path)
    store.close()
    with pytest.raises(StateError, match="the commit aaaaaaaaaaaa in this workspace"):
        with temporary_clone(workspace, "replay", revision="a" * 40):
            pass
    assert not (workspace.state / "clones" / "replay").exists()
