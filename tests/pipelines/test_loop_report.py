"""What the report of a turn says about the teacher."""

from __future__ import annotations

from pathlib import Path

from pipelines.loop_report import _pseudo_labels
from pipelines.pseudo_manifest import Manifest
from pipelines.render import render
from pipelines.workspace import Workspace

EMPTY = {
    "task": "segmentation", "note": "", "cases": 1, "patients": 1, "trained": 1, "audited": 0,
    "labelled_by": {}, "quarantine": [], "gates": [], "drift": [], "novelty": [], "pictures": [],
}  # fmt: skip


def test_frames_that_are_not_trained_on_are_counted_and_named(tmp_path: Path) -> None:
    workspace = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    assert _pseudo_labels(workspace, "segmentation") == {}
    manifest = Manifest(
        teacher="somebody-1.0",
        fingerprint="f" * 64,
        labelled={"a": {"orientation": "RAS"}, "b": {"orientation": "LPS"}, "old": {}},
        refused={"d": "expected a result, got <nothing>"},
        implausible={"c": {"reasons": ["too small", "too far"]}},
        jumps={"a": {"measured": 0.5, "bound": 0.4}, "b": {"measured": 0.3, "bound": 0.4}},
    )
    manifest.write(workspace.pseudo("segmentation"))
    found = _pseudo_labels(workspace, "segmentation")
    assert (found["labelled"], found["turned"], found["jumping"]) == (3, 1, 1)
    assert [row["frame"] for row in found["apart"]] == ["c", "d"]
    page = render("loop.html", sections=[{**EMPTY, "pseudo": found}], requests=[])
    assert "3 frames by somebody-1.0, 1 of them taken to lie otherwise" in page
    assert "2 not trained on" in page
    assert "too small; too far" in page
    assert "&lt;nothing&gt;" in page
    assert "Pseudo-labels" not in render("loop.html", sections=[{**EMPTY, "pseudo": {}}], requests=[])
