from __future__ import annotations

from pathlib import Path

import pytest

from components.cohort.split import Split
from components.errors import StateError
from pipelines.composition import Services
from pipelines.dvc_commands import run_quietly
from pipelines.loop import loop
from tests.pipelines.small_sources import write_ct
from tests.pipelines.tracked_workspace import answer_on_the_page, new_workspace, tracked_workspace


def test_without_any_label_experts_are_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # where the stages' code is
    services = Services(new_workspace(tmp_path / "workspace"))
    for index in range(3):
        write_ct(tmp_path / "scans" / f"{index}.nii.gz", seed=index)

    (outcome,) = loop(services, source=tmp_path / "scans", tasks=["classification"])

    assert outcome.judged is None
    assert "nothing to learn from yet" in outcome.note
    split = Split.from_json(services.workspace.split("classification").read_text())
    asked = services.store.requests(status="open", task="classification")
    assert {request.patient_id for request in asked} == set(split.patients("test"))
    assert {request.reason for request in asked} == {"audit"}
    assert run_quietly(services.workspace.root, "git", "status", "--porcelain") == ""


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
