"""evaluate → register → gate → promote → rollback on a small workspace, both tasks."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.blosc_store import load_volume, save_volume
from components.adapters.parquet import read_parquet
from components.cohort.task import TASKS, Task
from components.errors import StateError
from components.models.package import load_predictor
from components.registry.ledger import EntryKind
from pipelines.evaluate import evaluate
from pipelines.gate import gate
from pipelines.promote import promote
from pipelines.register import register
from pipelines.rollback import rollback
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory
from tests.pipelines.judged_workspace import commit_with_lock, make_workspace, write_untrained

NAME = "ctloop-test"


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_writes_the_same_bytes_again(tmp_path: Path, task: Task) -> None:
    workspace = make_workspace(tmp_path, task, train=3, test=4)
    evaluate(workspace, task)
    first, metrics = digests(workspace.evaluation(task)), workspace.metrics(task).read_bytes()
    evaluate(workspace, task)
    assert digests(workspace.evaluation(task)) == first
    assert workspace.metrics(task).read_bytes() == metrics
    assert {"calibration.json", "per_patient.parquet", "reference.parquet"} <= set(first)
    pictures = {name for name in first if name.startswith("figures/")}
    expected = ("dice", "hd95", "overlays", "volume_curves")
    if task == "classification":
        expected = ("auroc", "brier", "roc", "calibration")
    assert {f"figures/{name}.png" for name in expected} <= pictures
    content = json.loads(metrics)
    assert (content["task"], content["patients"], content["frames_failed"]) == (task, 4, 0)
    reference = read_parquet(workspace.evaluation(task) / "reference.parquet")
    assert set(reference["patient_id"]) == {"p03", "p04", "p05", "p06"}
    assert not list(workspace.evaluation(task).parent.glob(".*.part"))


def test_thresholds_rest_on_one_scan_of_each_training_patient(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "classification", train=3, test=4)
    prepared, labels = workspace.prepared("classification"), workspace.labels("classification")
    frames = read_parquet(prepared / "frames.parquet")
    truth = read_parquet(labels / "findings.parquet")
    for copy in ("again1", "again2"):  # two more reconstructions of p00
        shutil.copy(prepared / "frames" / "cp00.b2nd", prepared / "frames" / f"{copy}.b2nd")
        shutil.copy(labels / "cp00.sidecar.json", labels / f"{copy}.sidecar.json")
        frames = pd.concat([frames, frames.iloc[:1].assign(frame_id=copy, case_id=copy)])
        truth = pd.concat([truth, truth[truth["case_id"] == "cp00"].assign(case_id=copy)])
    frames.to_parquet(prepared / "frames.parquet")
    truth.to_parquet(labels / "findings.parquet")
    evaluate(workspace, "classification")
    folder = workspace.evaluation("classification")
    assert json.loads((folder / "calibration.json").read_text())["cases"] == 3
    page = (folder / "report" / "index.html").read_text()
    assert "Findings in chest CT on held-out patients" in page
    assert re.search(r"says most: slice \d+ of \d+ of the prepared scan", page)


def test_empty_scans_neither_calibrate_nor_judge_and_the_report_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = make_workspace(tmp_path, "classification", train=3, test=4)
    for frame in ("cp00", "cp04"):
        path = workspace.prepared("classification") / "frames" / f"{frame}.b2nd"
        volume = load_volume(path)
        save_volume(path, dataclasses.replace(volume, voxels_hu=np.full_like(volume.voxels_hu, -1000)))
    evaluate(workspace, "classification")
    folder = workspace.evaluation("classification")
    assert json.loads((folder / "calibration.json").read_text())["cases"] == 2
    metrics = json.loads(workspace.metrics("classification").read_text())
    assert (metrics["patients"], metrics["failed"]["scans"], metrics["failed"]["of"]) == (3, 1, 4)
    assert metrics["failed"]["patients_excluded"] == ["p04"]
    assert "expected a chest" in metrics["failed"]["reasons"][0]["reason"]
    assert "expected a chest" in (folder / "report" / "index.html").read_text()
    said = capsys.readouterr()
    assert "1 of 4 frames could not be predicted" in said.out + said.err


def test_without_expert_labels_there_are_scorecards_but_no_metrics(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "segmentation", train=1, test=2)
    for sidecar in workspace.labels("segmentation").glob("*.sidecar.json"):
        sidecar.write_text(sidecar.read_text().replace('"expert"', '"propagated"'))
    evaluate(workspace, "segmentation")
    assert json.loads(workspace.metrics("segmentation").read_text())["patients"] == 0
    assert len(read_parquet(workspace.evaluation("segmentation") / "reference.parquet")) == 4


def test_without_a_test_patient_the_stage_still_ends(tmp_path: Path) -> None:
    for task in TASKS:
        workspace = make_workspace(tmp_path / task, task, train=2, test=0)
        evaluate(workspace, task)
        assert json.loads(workspace.metrics(task).read_text())["patients"] == 0


@pytest.mark.parametrize("task", TASKS)
def test_from_evaluate_to_rollback(tmp_path: Path, task: Task) -> None:
    workspace = make_workspace(tmp_path, task, train=3, test=8, phases=1)
    commit_with_lock(workspace, task)
    registry, ledger = KeepingRegistry(tmp_path / "kept"), LedgerInMemory()
    evaluate(workspace, task)
    first = register(workspace, task, registry, ledger, name=NAME)
    assert register(workspace, task, registry, ledger, name=NAME) == first
    assert (first.tags["seed"], first.tags["label_set"], first.tags["git_dirty"]) == (
        "5",
        "abc.dir",
        "False",
    )
    lineage = json.loads((registry.fetch(first) / "lineage" / "lineage.json").read_text())
    assert lineage["training_patients"] == ["p00", "p01", "p02"]
    verdict = gate(workspace, task, registry, ledger, name=NAME, load_predictor=load_predictor)
    assert verdict.outcome == "refused"  # its weights are random
    with pytest.raises(StateError, match="refused"):
        promote(registry, ledger, name=NAME)
    promote(registry, ledger, name=NAME, override="a first champion for this test")

    itself = gate(
        workspace,
        task,
        registry,
        ledger,
        name=NAME,
        load_predictor=load_predictor,
        challenger=registry.by_alias(NAME, "champion"),
    )
    assert "not shown to be better" in itself.reason

    write_untrained(workspace, task, size=16, seed=9)
    evaluate(workspace, task)
    second = register(workspace, task, registry, ledger, name=NAME)
    assert (second.version, second.aliases) == (2, ("challenger",))
    assert second.tags["parent"] == f"{NAME}/1"
    promote(registry, ledger, name=NAME, override="and a second")
    assert rollback(registry, ledger, name=NAME, reason="test").champion.version == 1
    kinds: list[EntryKind] = [entry.kind for entry in ledger.entries()]
    moves = ["promote", "settled", "gate", "register", "promote", "settled", "rollback", "settled"]
    assert kinds == ["register", "gate", *moves]


class KeepingRegistry(RegistryInMemory):
    """Copies the packages: ``register`` makes them in a temporary folder."""

    def __init__(self, kept: Path) -> None:
        super().__init__()
        self._kept = kept

    def register(self, name, package, *, package_hash, tags):  # type: ignore[no-untyped-def]
        if not (self._kept / package_hash).exists():
            shutil.copytree(package, self._kept / package_hash)
        return super().register(name, self._kept / package_hash, package_hash=package_hash, tags=tags)


def test_a_test_patient_that_was_trained_on_is_a_leak(tmp_path: Path) -> None:
    task: Task = "classification"
    workspace = make_workspace(tmp_path, task, train=3, test=8)
    commit_with_lock(workspace, task)
    registry, ledger = KeepingRegistry(tmp_path / "kept"), LedgerInMemory()
    evaluate(workspace, task)
    register(workspace, task, registry, ledger, name=NAME)
    split = json.loads(workspace.split(task).read_text())
    split["assignments"]["p01"] = "test"
    workspace.split(task).write_text(json.dumps(split))
    verdict = gate(workspace, task, registry, ledger, name=NAME, load_predictor=load_predictor)
    assert verdict.outcome == "refused"
    assert "training patients" in verdict.reason


def test_nothing_to_judge_or_register_is_said(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "classification", train=2, test=2)
    registry, ledger = RegistryInMemory(), LedgerInMemory()
    with pytest.raises(StateError, match="challenger"):
        gate(workspace, "classification", registry, ledger, name=NAME, load_predictor=load_predictor)
    with pytest.raises(StateError, match=r"dvc\.lock"):
        register(workspace, "classification", registry, ledger, name=NAME)
