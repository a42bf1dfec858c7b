from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipelines.clean_up import clean_up
from pipelines.labels import reconcile_labels
from tests.pipelines.schedule.scheduled import made_services
from tests.pipelines.test_withdraw import WITHDRAWN, a_request


def aged(path: Path, days: float) -> Path:
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_only_what_is_old_and_closed_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTLOOP_DATABASE_URL", raising=False)
    services = made_services(tmp_path)
    workspace, store = services.workspace, services.store
    requests = [a_request(name, WITHDRAWN) for name in ("open", "closed", "fresh")]
    for request in requests:
        store.open_request(request)
        folder = workspace.exports / request.id
        folder.mkdir(parents=True)
        aged(folder, 0 if request.frame_id == "fresh" else 40)
    for request in requests[1:]:
        store.cancel_request(request.id, because="test")
    aged_other = workspace.exports / "somebody's own"
    aged_other.mkdir()
    aged(aged_other, 40)
    (workspace.state / "clones" / "retrain-segmentation" / "data").mkdir(parents=True)
    workspace.scheduler_logs.mkdir()
    for name, days in (("1.log", 40), ("2.log", 1), ("note.txt", 40)):
        path = workspace.scheduler_logs / name
        path.write_text("x")
        aged(path, days)
    params = yaml.safe_load(workspace.params.read_text())
    params["train"]["segmentation"]["incremental"] = {"start": "champion", "package_sha256": "pinned"}
    params["train"]["classification"]["incremental"] = {"start": "scratch", "package_sha256": "pinned"}
    workspace.params.write_text(yaml.safe_dump(params))
    starts = workspace.state / "starts"
    for name in (
        "segmentation-pinned",
        "segmentation-before",
        "classification-pinned",
        "segmentation-next.part",
    ):
        (starts / name).mkdir(parents=True)
    cleaned = clean_up(workspace, store)
    assert (cleaned.clones, cleaned.starts, cleaned.logs, cleaned.request_packages) == (1, 3, 1, 1)
    assert [path.name for path in starts.iterdir()] == ["segmentation-pinned"]
    assert sorted(path.name for path in workspace.exports.iterdir()) == sorted(
        [requests[0].id, requests[2].id, "somebody's own"]
    )
    assert sorted(path.name for path in workspace.scheduler_logs.iterdir()) == ["2.log", "note.txt"]
    assert list((workspace.state / "clones").iterdir()) == []
    store.close()


def test_an_answer_that_lies_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTLOOP_DATABASE_URL", raising=False)
    services = made_services(tmp_path)
    there, gone = a_request("there", "m/1"), replace(a_request("gone", "m/1"), batch="c")
    for request in (there, gone):
        services.store.open_request(request)
        services.store.mark_answered(request.id, label_sha256="a" * 64, annotator="r", minutes=None)
        services.store.record_label_set([request.id], "v1")
    answers = services.workspace.answers("segmentation")
    answers.mkdir(parents=True)
    (answers / "there.sidecar.json").write_text("{}")
    report = reconcile_labels(services)
    assert (dict(report.versions), report.missing) == ({}, (gone.id,))
    assert gone.id in str(report)
    services.store.close()
