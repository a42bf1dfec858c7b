"""A tiny model is trained without its validation patients and scored on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from components.adapters.blosc_store import load_label_map, load_volume
from components.adapters.parquet import read_parquet
from components.cohort.split import Side, Split
from components.cohort.task import Task
from components.cohort.validation import validation_patients
from components.models.package import load_predictor
from components.registry.package import package_hash
from pipelines.start_model import keep_start
from pipelines.train import train
from pipelines.validation import judging_frames, validation_score
from pipelines.workspace import Workspace
from tests.pipelines.test_train import label_map, prepare, sidecar, workspace

__all__ = ["workspace"]  # a fixture
SHARE = 0.5
SIDES: dict[str, Side] = {f"p{n}": "test" if n > 9 else "train" for n in range(12)}
ASIDE = validation_patients(Split(seed=0, assignments=SIDES, batches=SIDES), SHARE)
EVALUATE = {"seed": 0, "draws": 50, "level": 0.9, "calibration_cases": 0}


def setting(workspace: Workspace, task: Task, **values: Any) -> None:
    tree = yaml.safe_load(workspace.params.read_text())
    tree["train"][task] |= {"provenances": ["expert"], **values}
    workspace.params.write_text(yaml.safe_dump({**tree, "evaluate": EVALUATE}))


def add_columns(workspace: Workspace, task: Task) -> None:
    table = workspace.prepared(task) / "frames.parquet"
    read_parquet(table).assign(batch="one", phase_percent=np.nan).to_parquet(table)


def taught(workspace: Workspace, task: Task) -> set[str]:
    return {row["patient_id"] for row in json.loads((workspace.model(task) / "label_set.json").read_text())}


def facts(workspace: Workspace, task: Task) -> dict[str, Any]:
    return json.loads((workspace.model(task) / "model.json").read_text())["training"]  # type: ignore[no-any-return]


def test_hearts_of_validation_patients_train_nothing_and_judge(workspace: Workspace) -> None:
    prepare(workspace, "segmentation", dict(SIDES))
    add_columns(workspace, "segmentation")
    for n in range(1, 12):  # nobody labelled case0
        label_map(workspace.labels("segmentation"), f"case{n}", "expert")
    setting(workspace, "segmentation", validation_share=SHARE)
    train(workspace, "segmentation")
    labelled = {f"p{n}" for n in range(1, 10)}
    assert taught(workspace, "segmentation") == labelled - ASIDE
    assert facts(workspace, "segmentation")["validation_share"] == SHARE
    assert facts(workspace, "segmentation")["steps"] == 3  # 2 epochs and 1 of one step each

    frames = judging_frames(workspace, "segmentation", SHARE)
    assert set(frames["patient_id"]) == labelled & ASIDE
    score = validation_score(workspace, "segmentation", frames)
    assert (score.metric, score.patients) == ("dice/mean", len(labelled & ASIDE))
    assert score.value == pytest.approx(mean_dice(workspace, list(frames["frame_id"])), abs=1e-6)
    assert score.low is not None
    assert score.high is not None
    assert score.low <= score.value <= score.high  # type: ignore[operator]


def mean_dice(workspace: Workspace, frames: list[str]) -> float:
    predictor = load_predictor(workspace.model("segmentation"))
    found = []
    for frame in frames:
        volume = load_volume(workspace.prepared("segmentation") / "frames" / f"{frame}.b2nd")
        predicted = predictor.predict(volume).labels
        assert predicted is not None
        truth = load_label_map(workspace.labels("segmentation") / f"{frame}.b2nd").labels
        for value in (1, 2):
            both = np.sum((predicted.labels == value) & (truth == value))
            found.append(2 * both / (np.sum(predicted.labels == value) + np.sum(truth == value)))
    return float(np.mean(found))


def chests(workspace: Workspace) -> None:
    prepare(workspace, "classification", dict(SIDES))
    add_columns(workspace, "classification")
    folder = workspace.labels("classification")
    folder.mkdir(parents=True)
    cases = [f"case{n}" for n in range(12)]
    ordered = sorted(ASIDE)
    present = [float(ordered.index(p) % 2) if p in ASIDE else float(n % 2) for n, p in enumerate(SIDES)]
    pd.DataFrame({"case_id": cases, "emphysema": present}).to_parquet(folder / "findings.parquet")
    for case in cases:
        sidecar(folder, case, "expert")


def test_chests_of_validation_patients_train_nothing_and_judge(workspace: Workspace) -> None:
    chests(workspace)
    setting(workspace, "classification", validation_share=SHARE)
    train(workspace, "classification")
    trained = {p for p, side in SIDES.items() if side == "train"} - ASIDE
    assert taught(workspace, "classification") == trained
    assert facts(workspace, "classification")["steps"] == 2 * (
        len(trained) // 2
    )  # two scans a step, the last dropped

    frames = judging_frames(workspace, "classification", SHARE)
    score = validation_score(workspace, "classification", frames)
    assert (score.metric, score.patients) == ("auroc/macro", len(ASIDE))
    assert score.value == pytest.approx(auroc(workspace, frames), abs=1e-6)


def auroc(workspace: Workspace, frames: pd.DataFrame) -> float:
    """Share of the pairs of one with and one without the finding that are in the right order, ties half."""
    predictor = load_predictor(workspace.model("classification"))
    truth = read_parquet(workspace.labels("classification") / "findings.parquet").set_index("case_id")
    sure: dict[bool, list[float]] = {True: [], False: []}
    for frame in frames["frame_id"]:
        volume = load_volume(workspace.prepared("classification") / "frames" / f"{frame}.b2nd")
        answer = predictor.predict(volume).probabilities["emphysema"]
        sure[bool(truth.loc[frame, "emphysema"])].append(answer)
    pairs = [(a > b) + 0.5 * (a == b) for a in sure[True] for b in sure[False]]
    return float(np.mean(pairs))


@pytest.mark.parametrize(("before", "told"), [(0.0, None), (0.3, 0.3), (0.9, SHARE)])
def test_what_goes_on_remembers_whom_its_start_was_trained_on(
    workspace: Workspace, tmp_path: Path, before: float, told: float | None
) -> None:
    chests(workspace)
    setting(workspace, "classification")
    train(workspace, "classification")
    description = workspace.model("classification") / "model.json"
    tree = json.loads(description.read_text())
    tree["training"]["validation_share"] = before
    description.write_text(json.dumps(tree))
    sha256 = package_hash(workspace.model("classification"))
    keep_start(workspace, "classification", workspace.model("classification"), sha256)
    begin = {"start": "champion", "epochs": 1, "package_sha256": sha256}
    setting(workspace, "classification", validation_share=SHARE, incremental=begin)
    train(workspace, "classification")
    assert taught(workspace, "classification").isdisjoint(ASIDE)
    assert facts(workspace, "classification").get("validation_share") == told
