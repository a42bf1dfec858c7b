from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import training_budget
from pipelines.training_budget import Pace, cut, keep_to_budget, planned_epochs, seconds_per_epoch
from pipelines.workspace import Workspace

TRAIN: dict[str, Any] = {
    "segmentation": {
        "incremental": {"start": "scratch", "epochs": 4},
        "plan": {"epochs": 8, "fine_tune_epochs": 6, "seed": 3},
    },
    "classification": {"plan": {"epochs": 12}},
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(root=tmp_path, state=tmp_path / "state")
    made.params.parent.mkdir()
    made.params.write_text(yaml.safe_dump({"train": TRAIN}))
    return made


def section(workspace: Workspace, task: str = "segmentation") -> Any:
    return yaml.safe_load(workspace.params.read_text())["train"][task]


def test_the_share_of_the_epochs_is_what_fits(workspace: Workspace) -> None:
    assert keep_to_budget(workspace, "segmentation", 7.0, pace=60.0) == 0.5  # 14 epochs of a minute each
    assert section(workspace) == {**TRAIN["segmentation"], "epochs_share": 0.5}
    assert section(workspace, "classification") == TRAIN["classification"]


@pytest.mark.parametrize(("minutes", "pace"), [(14.0, 60.0), (None, 60.0), (0.1, None)])
def test_what_fits_is_not_cut_and_an_earlier_cut_is_undone(
    workspace: Workspace, minutes: float | None, pace: float | None
) -> None:
    keep_to_budget(workspace, "segmentation", 7.0, pace=60.0)
    assert keep_to_budget(workspace, "segmentation", minutes, pace=pace) == 1.0
    assert section(workspace) == {**TRAIN["segmentation"], "epochs_share": 1.0}


def test_every_step_keeps_an_epoch() -> None:
    assert [cut(epochs, 0.01) for epochs in (0, 1, 8)] == [0, 1, 1]
    assert [cut(10, share) for share in (0.3, 0.35, 1.0)] == [3, 3, 10]


def test_going_on_has_its_own_epochs() -> None:
    assert planned_epochs({"incremental": {"start": "champion", "epochs": 4}, "plan": {"epochs": 8}}) == 4
    assert planned_epochs({"plan": {"epochs": 8, "fine_tune_epochs": 6}}) == 14
    assert planned_epochs({"plan": {"epochs": 8, "fine_tune_epochs": 6, "rounds": 2}}) == 22


def test_a_budget_that_is_too_short_for_anything_says_what_would_be_needed(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        keep_to_budget(workspace, "segmentation", 1.5, pace=60.0) == 0.1
    )  # one epoch of each step takes two
    said = capsys.readouterr().err
    assert (
        "a budget of 1.5 minutes is shorter than the least that can be trained, 2 epochs of 60 seconds"
        in said
    )
    assert "it needs 2.0 minutes, and 14.0 for all 14 epochs" in said
    keep_to_budget(workspace, "segmentation", 2.0, pace=60.0)
    assert "shorter" not in capsys.readouterr().err


def test_the_pace_is_the_median_without_the_first_epoch(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 50.0, 53.0, 57.0, 60.0])
    monkeypatch.setattr(training_budget.time, "monotonic", lambda: next(clock))
    heard: list[int] = []
    pace = Pace(workspace, "segmentation", lambda step, epoch, loss: heard.append(epoch))
    for epoch in range(4):
        pace("student-1", epoch, 0.1)
    pace.keep()
    assert heard == [0, 1, 2, 3]
    assert seconds_per_epoch(workspace, "segmentation") == 3.0
    assert seconds_per_epoch(workspace, "classification") is None
