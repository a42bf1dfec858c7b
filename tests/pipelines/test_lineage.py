from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from components.cohort.split import Side, Split
from components.cohort.validation import validation_patients
from pipelines.lineage import lineage_of
from pipelines.workspace import Workspace

SIDES: dict[str, Side] = {f"p{n:02}": "test" if n % 5 == 0 else "train" for n in range(30)}
SPLIT = Split(seed=0, assignments=SIDES, batches=dict.fromkeys(SIDES, "one"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    for folder in (made.params.parent, made.labels("segmentation"), made.model("segmentation")):
        folder.mkdir(parents=True)
    made.params.write_text("{}\n")
    (tmp_path / "dvc.lock").write_text("stages: {}\n")
    made.split("segmentation").write_text(SPLIT.to_json())
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "x")):
        identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        subprocess.run(("git", *identity, *command), cwd=tmp_path, check=True)
    return made


@pytest.mark.parametrize("share", [None, 0.3])
def test_training_patients_are_those_who_taught_it_or_what_it_went_on_from(
    workspace: Workspace, share: float | None
) -> None:
    facts = {} if share is None else {"validation_share": share}
    (workspace.model("segmentation") / "model.json").write_text(json.dumps({"training": facts}))
    found = lineage_of(workspace, "segmentation", parent=None).facts
    aside = validation_patients(SPLIT, share or 0.0)
    assert bool(aside) == bool(share)
    assert found["training_patients"] == sorted(set(SPLIT.patients("train")) - aside)
    assert found["held_out_patients"] == list(SPLIT.patients("test"))
