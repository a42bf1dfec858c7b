"""The demo's mistaken reader inverts what training cases say, and touches nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from pipelines.workspace import Workspace
from pipelines.wrong_labels import inverted_findings


def test_training_findings_are_inverted_and_test_cases_left_out(tmp_path: Path) -> None:
    workspace = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    for folder in (workspace.prepared("classification"), workspace.labels("classification")):
        folder.mkdir(parents=True)
    sides = {"p1": "train", "p2": "test", "p3": "train"}
    workspace.split("classification").write_text(
        json.dumps({"seed": 0, "assignments": sides, "batches": dict.fromkeys(sides, "one")})
    )
    frames = pd.DataFrame({"case_id": ["c1", "c2", "c3"], "patient_id": ["p1", "p2", "p3"]})
    frames.to_parquet(workspace.prepared("classification") / "frames.parquet")
    known = pd.DataFrame(
        {"case_id": ["c1", "c2", "c3"], "emphysema": [1.0, 1.0, None], "nodule": [0.0, 1.0, 1.0]}
    )
    known.to_parquet(workspace.labels("classification") / "findings.parquet")
    text = inverted_findings(workspace).to_csv(index=False)
    assert text == "case_id,emphysema,nodule\nc1,0,1\nc3,,0\n"
