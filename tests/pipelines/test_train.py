"""The stage on workspaces of a few tiny frames."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from components.adapters.blosc_store import save_label_map, save_volume
from components.adapters.parquet import read_parquet
from components.cohort.labels import LabelSidecar
from components.cohort.task import Task
from components.errors import StateError
from components.models.package import load_network, load_predictor, read_description
from components.registry.package import package_hash
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.params import load_section
from pipelines.start_model import keep_start
from pipelines.train import ClassificationTrainParams, SegmentationTrainParams, train, training_key
from pipelines.training_set import (
    classification_pool,
    classification_set,
    segmentation_pool,
    segmentation_set,
    training_rows,
)
from pipelines.workspace import Workspace

GRID = Geometry.axis_aligned((16, 32, 32), (4.0, 4.0, 4.0))
NAMES = {1: "left_ventricle", 2: "aorta"}
PLANS: dict[str, dict[str, Any]] = {
    "segmentation": {
        "patch": [16, 16, 16], "widths": [4, 8], "batch_size": 1, "steps_per_epoch": 1, "epochs": 2,
        "fine_tune_epochs": 1,
    },
    "classification": {
        "shape": [6, 32, 32], "widths": [4, 8], "embedding": 16, "heads": 4, "window": 1, "batch_size": 2,
        "epochs": 2,
    },
}  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    made.params.parent.mkdir(parents=True)
    sections = {
        task: {"provenances": ["expert", "pseudo"], "cache_mb": 100, "plan": plan}
        for task, plan in PLANS.items()
    }
    made.params.write_text(yaml.safe_dump({"train": sections}))
    return made


def prepare(workspace: Workspace, task: Task, patients: dict[str, str]) -> None:
    """One frame per patient and the split."""
    generator, rows = np.random.default_rng(0), []
    for i, patient in enumerate(patients):
        voxels = generator.integers(-500, 500, GRID.shape).astype(np.int16)
        path = workspace.prepared(task) / "frames" / f"case{i}.b2nd"
        save_volume(path, Volume(voxels_hu=voxels, geometry=GRID))
        shape = {f"prepared_shape_{axis}": n for axis, n in zip("zyx", GRID.shape, strict=True)}
        rows.append(
            {"frame_id": f"case{i}", "case_id": f"case{i}", "patient_id": patient, "sha256": f"s{i}"} | shape
        )
    pd.DataFrame(rows).to_parquet(workspace.prepared(task) / "frames.parquet")
    batches = dict.fromkeys(patients, "one")
    split = {"seed": 0, "assignments": patients, "batches": batches}
    workspace.split(task).write_text(json.dumps(split))


def label_map(folder: Path, frame: str, provenance: Any, names: dict[int, str] = NAMES) -> None:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[4:8, 4:20, 4:20], labels[9:12, 8:16, 8:16] = 1, 2
    save_label_map(folder / f"{frame}.b2nd", LabelMap(labels=labels, geometry=GRID, names=names))
    sidecar(folder, frame, provenance)


def sidecar(folder: Path, name: str, provenance: Any) -> None:
    made = LabelSidecar(
        provenance=provenance,
        label_sha256="0" * 64,
        teacher_fingerprint="t" if provenance == "pseudo" else None,
    )
    (folder / f"{name}.sidecar.json").write_text(made.to_json())


def test_without_any_heart_there_is_nothing_to_learn(workspace: Workspace) -> None:
    prepare(workspace, "segmentation", {"p0": "train"})
    table = workspace.prepared("segmentation") / "frames.parquet"
    read_parquet(table).iloc[:0].to_parquet(table)
    with pytest.raises(StateError, match="labelled frames of training patients, got none"):
        train(workspace, "segmentation")


@pytest.fixture
def hearts(workspace: Workspace) -> Workspace:
    prepare(workspace, "segmentation", {"p0": "train", "p1": "train", "p2": "train", "p3": "test"})
    label_map(workspace.labels("segmentation"), "case0", "expert")
    for frame in ("case0", "case1", "case3"):
        label_map(workspace.pseudo("segmentation"), frame, "pseudo")
    return workspace


@pytest.fixture
def chests(workspace: Workspace) -> Workspace:
    sides = {"p0": "train", "p1": "train", "p2": "train", "p3": "test"}
    prepare(workspace, "classification", sides)
    folder = workspace.labels("classification")
    folder.mkdir(parents=True)
    nan = float("nan")
    table = {"emphysema": [1, 0, 1, 1], "lung_nodule": [nan] * 3 + [1], "consolidation": [nan, 1, nan, 0]}
    pd.DataFrame({"case_id": [f"case{i}" for i in range(4)], **table}).to_parquet(folder / "findings.parquet")
    for i in range(4):
        sidecar(folder, f"case{i}", "expert")
    return workspace


def test_an_expert_wins_over_the_teacher_and_held_out_patients_are_never_read(hearts: Workspace) -> None:
    found = segmentation_set(hearts, ("expert", "pseudo"), seed=0, cache_mb=100)
    assert [(e.frame_id, e.provenance) for e in found.examples] == [("case0", "expert"), ("case1", "pseudo")]
    assert found.label_names == ("left_ventricle", "aorta")
    assert found.spacing_mm == (4.0, 4.0, 4.0)
    assert found.counts() == {"expert": 1, "pseudo": 1}


def test_only_allowed_provenances_are_read(hearts: Workspace) -> None:
    pseudo = segmentation_set(hearts, ("pseudo",), seed=0, cache_mb=100)
    assert [(e.frame_id, e.provenance) for e in pseudo.examples] == [("case0", "pseudo"), ("case1", "pseudo")]
    assert [e.frame_id for e in segmentation_set(hearts, ("expert",), seed=0, cache_mb=100).examples] == [
        "case0"
    ]


def test_reading_from_disk_gives_the_same_voxels(hearts: Workspace) -> None:
    cached, lazy = (segmentation_set(hearts, ("expert",), seed=0, cache_mb=mb).examples[0] for mb in (100, 0))
    for reader in ("read_hu", "read_labels"):
        first, second = (getattr(e, reader)((1, 2, 3), (5, 6, 7)) for e in (cached, lazy))
        assert np.array_equal(first, second)


def test_the_label_set_hash_follows_labels_and_provenance(hearts: Workspace) -> None:
    def hashes() -> tuple[str, str]:
        found = segmentation_set(hearts, ("expert", "pseudo"), seed=0, cache_mb=100)
        return found.data_sha256, found.label_set_sha256

    before = hashes()
    assert hashes() == before
    sidecar(hearts.labels("segmentation"), "case0", "propagated")
    assert hashes() != before
    label_map(hearts.labels("segmentation"), "case2", "expert")
    assert hashes()[0] != before[0]


def test_label_maps_that_number_structures_differently_are_refused(hearts: Workspace) -> None:
    label_map(hearts.pseudo("segmentation"), "case1", "pseudo", {1: "aorta", 2: "left_ventricle"})
    with pytest.raises(StateError, match="case1"):
        segmentation_set(hearts, ("expert", "pseudo"), seed=0, cache_mb=100)


def test_a_patient_without_a_side_is_refused(hearts: Workspace) -> None:
    split = json.loads(hearts.split("segmentation").read_text())
    del split["assignments"]["p2"], split["batches"]["p2"]
    hearts.split("segmentation").write_text(json.dumps(split))
    with pytest.raises(StateError, match="p2"):
        segmentation_set(hearts, ("expert",), seed=0, cache_mb=100)


def test_a_held_out_scan_under_another_name_is_a_leak(hearts: Workspace) -> None:
    path = hearts.prepared("segmentation") / "frames.parquet"
    frames = read_parquet(path)
    frames.loc[frames["frame_id"] == "case1", "sha256"] = "s3"
    frames.to_parquet(path)
    with pytest.raises(StateError, match="leak of 1, case1"):
        segmentation_set(hearts, ("expert",), seed=0, cache_mb=100)


def test_a_finding_that_nobody_knows_is_not_learnt(chests: Workspace) -> None:
    found = classification_set(chests, ("expert",), cache_mb=100)
    assert found.label_names == ("emphysema", "consolidation")
    assert [e.case_id for e in found.examples] == ["case0", "case1", "case2"]
    assert found.examples[1].findings.tolist() == [0.0, 1.0]
    assert np.isnan(found.examples[0].findings[1])


def test_the_key_follows_parameters_and_hashes() -> None:
    assert training_key({"a": 1}, {"h": "x"}) == training_key({"a": 1}, {"h": "x"})
    assert training_key({"a": 2}, {"h": "x"}) != training_key({"a": 1}, {"h": "x"})
    assert training_key({"a": 1}, {"h": "y"}) != training_key({"a": 1}, {"h": "x"})


def test_the_shipped_parameters_are_read(pytestconfig: pytest.Config) -> None:
    shipped = pytestconfig.rootpath / "pipelines" / "params.yaml"
    segmentation = load_section(SegmentationTrainParams, shipped, "train", "segmentation")
    assert segmentation.provenances == ("expert", "pseudo")
    assert load_section(ClassificationTrainParams, shipped, "train", "classification").plan.shape == (
        36,
        48,
        48,
    )


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_the_stage_writes_a_package_twice_the_same_and_logs_a_run(
    task: Task, hearts: Workspace, chests: Workspace
) -> None:
    from mlflow import MlflowClient

    written = []
    for _ in range(2):
        train(hearts, task)
        files = sorted(hearts.model(task).iterdir())
        assert [file.name for file in files] == ["label_set.json", "model.json", "weights.safetensors"]
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    description = read_description(hearts.model(task))
    assert description.training["patients"] == (2 if task == "segmentation" else 3)
    volume = Volume(voxels_hu=np.zeros(GRID.shape, dtype=np.int16), geometry=GRID)
    assert load_predictor(hearts.model(task)).predict(volume).embedding.size > 0
    assert not list(hearts.checkpoints(task).iterdir())
    client = MlflowClient(tracking_uri=hearts.mlflow_uri, registry_uri=hearts.mlflow_uri)
    home = client.get_experiment_by_name(f"ctloop-{task}/train")
    assert home is not None
    every = client.search_runs([home.experiment_id])
    rounds = [run for run in every if "mlflow.parentRunId" in run.data.tags]
    runs = [run for run in every if run not in rounds]
    assert bool(rounds) is (task == "segmentation")
    assert all(run.data.tags["accepted"] == "True" and run.data.tags["label_set_sha256"] for run in rounds)
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    assert runs[0].data.tags["label_set_sha256"] == description.training["label_set_sha256"]
    assert runs[0].data.params["plan.seed"] == "0"


def test_frames_without_a_label_are_the_pool(hearts: Workspace) -> None:
    data = segmentation_set(hearts, ("expert",), seed=0, cache_mb=0)
    pool = segmentation_pool(hearts, data.examples)
    assert pool
    assert not {frame.frame_id for frame in pool} & {frame.frame_id for frame in data.examples}
    assert {frame.frame_id for frame in pool} <= set(training_rows(hearts, "segmentation")["frame_id"])
    first = pool[0]
    assert (first.read_labels((0, 0, 0), first.shape) == 255).all()
    assert first.read_hu((0, 0, 0), first.shape).shape == first.shape


def test_scans_without_findings_are_the_pool_but_never_of_held_out_patients(chests: Workspace) -> None:
    for case in ("case1", "case3"):  # of a training patient and of a held-out one
        (chests.labels("classification") / f"{case}.sidecar.json").unlink()
    frames = chests.prepared("classification") / "frames"
    (frames / "case3.b2nd").write_bytes(b"never read")
    data = classification_set(chests, ("expert",), cache_mb=100)
    for cache_mb in (0, 100):
        pool = classification_pool(chests, data.examples, cache_mb=cache_mb)
        assert [(scan.case_id, scan.patient_id) for scan in pool.scans] == [("case1", "p1")]
        assert pool.scans[0].read_hu().shape == GRID.shape
    every = classification_pool(chests, [], cache_mb=0)
    assert [scan.case_id for scan in every.scans] == ["case0", "case1", "case2"]
    assert every.sha256 != pool.sha256
    split = json.loads(chests.split("classification").read_text())
    split["assignments"]["p1"] = "test"
    chests.split("classification").write_text(json.dumps(split))
    assert not classification_pool(chests, data.examples, cache_mb=0).scans


def test_pretraining_reads_the_pool_and_is_logged_beside_the_training(chests: Workspace) -> None:
    from mlflow import MlflowClient

    (chests.labels("classification") / "case1.sidecar.json").unlink()
    train(chests, "classification")
    without = (chests.model("classification") / "weights.safetensors").read_bytes()
    values = yaml.safe_load(chests.params.read_text())
    values["train"]["classification"]["plan"]["pretraining"] = {
        "epochs": 2, "batch_size": 2, "triplets": 2, "expander": 8,
    }  # fmt: skip
    chests.params.write_text(yaml.safe_dump(values))
    train(chests, "classification")
    said = read_description(chests.model("classification")).training
    assert set(said["final_loss"]) == {"pretrain", "classifier"}
    assert said["patients"] == 2
    data = classification_set(chests, ("expert",), cache_mb=0)
    assert said["pool_sha256"] == classification_pool(chests, data.examples, cache_mb=0).sha256
    weights = (chests.model("classification") / "weights.safetensors").read_bytes()
    assert weights != without
    assert len(weights) == len(without)  # the expander is thrown away
    client = MlflowClient(tracking_uri=chests.mlflow_uri)
    home = client.get_experiment_by_name("ctloop-classification/train")
    assert home is not None
    last = client.search_runs([home.experiment_id], order_by=["start_time DESC"])[0]
    curves = [name for name in last.data.metrics if "pretrain" in name]
    assert len(client.get_metric_history(last.info.run_id, curves[0])) == 2
    assert last.data.params["plan.pretraining.epochs"] == "2"


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_the_model_in_use_goes_on(task: Task, request: pytest.FixtureRequest) -> None:
    workspace: Workspace = request.getfixturevalue("hearts" if task == "segmentation" else "chests")
    train(workspace, task)
    first = read_description(workspace.model(task))
    sha256 = package_hash(workspace.model(task))
    keep_start(workspace, task, workspace.model(task), sha256)
    begin = {"start": "champion", "epochs": 1, "learning_rate": 1e-9, "package_sha256": sha256}
    tree = yaml.safe_load(workspace.params.read_text())
    tree["train"][task]["incremental"] = begin
    workspace.params.write_text(yaml.safe_dump(tree))
    before = load_network(workspace.model(task))[0].state_dict()
    train(workspace, task)
    description = read_description(workspace.model(task))
    assert list(description.training["final_loss"]) == ["go-on"]
    assert description.architecture == first.architecture
    for name, tensor in load_network(workspace.model(task))[0].state_dict().items():
        if tensor.is_floating_point() and "running" not in name:
            assert torch.allclose(tensor, before[name], atol=1e-5), name


def test_going_on_needs_the_package(hearts: Workspace) -> None:
    tree = yaml.safe_load(hearts.params.read_text())
    tree["train"]["segmentation"]["incremental"] = {"start": "champion", "package_sha256": "abc"}
    hearts.params.write_text(yaml.safe_dump(tree))
    with pytest.raises(StateError, match="nothing of it on this machine"):
        train(hearts, "segmentation")
