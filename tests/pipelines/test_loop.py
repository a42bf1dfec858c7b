from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import StateError
from pipelines.composition import Services
from pipelines.loop import loop
from tests.pipelines.small_sources import write_ct
from tests.pipelines.tracked_workspace import answer_on_the_page, tracked_workspace


def test_answers_get_their_data_version_before_any_stage_runs(tmp_path: Path) -> None:
    workspace, store = tracked_workspace(tmp_path / "workspace", split="false")
    answer_on_the_page(workspace, store)
    write_ct(tmp_path / "scans" / "a.nii.gz", seed=0)
    with pytest.raises(StateError, match="split@classification"):
        loop(Services(workspace), source=tmp_path / "scans", tasks=["classification"])
    (entry,) = store.entries("label_set")
    assert entry.payload["answers"] == 1
    assert (
        entry.payload["version"] in workspace.answers("classification").with_name("answers.dvc").read_text()
    )
    store.close()
