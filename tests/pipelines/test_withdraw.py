"""What a withdrawn version asked and taught is taken back, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.labeling.request import LabelingRequest
from pipelines.pseudo_manifest import IMPLAUSIBLE, Manifest, read_manifest
from pipelines.withdraw import retire_pseudo_labels, supersede_requests, withdrawing
from pipelines.workspace import Workspace
from tests.components.operations.request_fakes import RequestsInMemory
from tests.pipelines.schedule.scheduled import made_services

WITHDRAWN = "ctloop-segmentation/2"


def a_request(frame: str, model: str) -> LabelingRequest:
    return LabelingRequest(
        task="segmentation", case_id=frame, frame_id=frame, patient_id="p", batch="b", reason="uncertainty",
        measured=0.5, threshold=0.4, model_version=model, evidence="e", budget_minutes=30.0,
        opened_at="2026-01-01T00:00:00+00:00", due="2026-01-15",
    )  # fmt: skip


def taught(folder: Path, teacher: str) -> Workspace:
    workspace = Workspace(root=folder, state=folder / ".ctloop")
    pseudo = workspace.pseudo("segmentation")
    (pseudo / IMPLAUSIBLE).mkdir(parents=True)
    manifest = Manifest(
        teacher=teacher, fingerprint="f", labelled={"one": {}, "two": {}}, refused={"three": "x"}
    )
    manifest.implausible["four"] = {"reasons": []}
    for name in ("one", "two", f"{IMPLAUSIBLE}/four"):
        for ending in ("b2nd", "sidecar.json"):
            (pseudo / f"{name}.{ending}").write_text("label")
    manifest.write(pseudo)
    return workspace


def test_only_its_own_open_requests_are_superseded() -> None:
    store = RequestsInMemory()
    mine, others, audit = (
        a_request(name, model)
        for name, model in (("a", WITHDRAWN), ("b", "ctloop-segmentation/1"), ("c", "none"))
    )
    answered = replace(a_request("d", WITHDRAWN), status="answered")
    for request in (mine, others, audit, answered):
        store.open_request(request)
    assert supersede_requests(store, "segmentation", WITHDRAWN, "artefacts") == 1
    status = {request.frame_id: request.status for request in store.requests()}
    assert status == {"a": "cancelled", "b": "open", "c": "open", "d": "answered"}
    assert supersede_requests(store, "segmentation", WITHDRAWN, "artefacts") == 0


@pytest.mark.parametrize("teacher", [WITHDRAWN, f"{WITHDRAWN}, consensus of 12 views"])
def test_pseudo_labels_die_with_their_teacher(tmp_path: Path, teacher: str) -> None:
    workspace = taught(tmp_path, teacher)
    assert retire_pseudo_labels(workspace, "segmentation", WITHDRAWN) == 3
    left = [path.name for path in workspace.pseudo("segmentation").rglob("*") if path.is_file()]
    assert left == ["manifest.json"]
    manifest = read_manifest(workspace.pseudo("segmentation"))
    assert manifest is not None
    assert (manifest.teacher, manifest.labelled) == (None, {})
    assert retire_pseudo_labels(workspace, "segmentation", WITHDRAWN) == 0


@pytest.mark.parametrize("teacher", ["ctloop-segmentation/22", "ctloop-segmentation/1", "rule"])
def test_those_of_another_teacher_stay(tmp_path: Path, teacher: str) -> None:
    workspace = taught(tmp_path, teacher)
    assert retire_pseudo_labels(workspace, "segmentation", WITHDRAWN) == 0
    assert (workspace.pseudo("segmentation") / "one.b2nd").exists()


def test_the_reason_is_in_the_audit_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTLOOP_DATABASE_URL", raising=False)
    services = made_services(tmp_path)
    request = a_request("a", WITHDRAWN)
    services.store.open_request(request)
    done = withdrawing(services, "segmentation")(WITHDRAWN, "artefacts at night")
    assert done == {"requests_superseded": 1, "pseudo_labels_retired": 0}
    line = services.store.audit_log(request.id)[-1]
    assert line.detail == {"because": f"superseded: {WITHDRAWN} was rolled back: artefacts at night"}
    services.store.close()
