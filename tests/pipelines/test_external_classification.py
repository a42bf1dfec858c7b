"""A registered classifier on another site: leaks, masked findings, reconstructions, and what it loses there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from components.adapters.parquet import read_parquet
from components.cohort.findings import CT_RATE_FINDINGS
from components.errors import StateError
from components.models.package import load_predictor
from components.registry.registry import ModelVersion
from pipelines.cli import app
from pipelines.evaluate import evaluate
from pipelines.external_data import ExternalData
from pipelines.external_test import external_test, headline
from pipelines.register import register
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory
from tests.pipelines.judged_workspace import commit_with_lock, make_workspace
from tests.pipelines.test_judging import KeepingRegistry

TASK = "classification"
Registered = tuple[Workspace, KeepingRegistry, ModelVersion]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """Patients p00 to p02 train, p03 to p12 judge; then the last five turn out to be from the north."""
    workspace = make_workspace(tmp_path_factory.mktemp("site"), TASK, train=3, test=10)
    table = workspace.prepared(TASK) / "frames.parquet"
    frames = read_parquet(table)
    frames["sha256"] = [f"{place:064x}" for place in range(len(frames))]
    frames.to_parquet(table)
    commit_with_lock(workspace, TASK)
    registry = KeepingRegistry(tmp_path_factory.mktemp("kept"))
    evaluate(workspace, TASK)
    version = register(workspace, TASK, registry, LedgerInMemory(), name="ctloop-test")
    frames.loc[frames["patient_id"] >= "p08", "batch"] = "north"
    frames.to_parquet(table)
    return workspace, registry, version


def run(registered: Registered, data: ExternalData) -> dict[str, Any]:
    workspace, registry, version = registered
    return external_test(workspace, TASK, version, data, registry=registry, load_predictor=load_predictor)


def test_a_batch_of_the_workspace(registered: Registered) -> None:
    _, registry, version = registered
    result = run(registered, ExternalData(batch="north"))
    assert (result["patients"], result["held_out_patients"], result["shared_held_out"]) == (5, 5, 5)
    rows = {(row["metric"], row["label"]): row for row in result["drop"]}
    assert {metric for metric, _ in rows} == {"auroc", "average_precision", "f1", "ece"}
    macro = rows["auroc", "macro"]
    gap = macro["held_out"]["value"] - macro["external"]["value"]
    assert macro["drop"]["value"] == pytest.approx(gap, abs=2e-6)
    folder = Path(result["report"]).parent
    assert folder.name == "classification-1-north"
    page = Path(result["report"]).read_text()
    assert "The drop of each finding" in page
    assert 'alt="AUROC of each finding on the own held-out patients and here' in page
    for row in result["drop"]:
        if row["label"] not in ("macro", "weighted"):
            own, here, drop = (
                f"{row[part]['value']:.3f}".replace("-", "−") for part in ("held_out", "external", "drop")
            )
            assert re.search(rf"(?s)>{own}\n.{{0,90}}?{here}\n.{{0,90}}?{drop}\n", page)
            assert row["positives"]["external"] == result["metrics"]["findings"][row["label"]]["positives"]
            assert row["positives"]["held_out"] >= 2
    for title in ("AUROC", "average precision", "F1", "calibration error"):
        assert f"{title} of each finding, own held-out against here" in page
    assert result["held_out_failed"] == 0
    assert headline(result).startswith("macro AUROC")
    # what the package itself said of these very patients, on the same thresholds
    own = read_parquet(registry.fetch(version) / "per_patient.parquet").set_index("case_id")
    here = read_parquet(folder / "per_patient.parquet").set_index("case_id")
    for name in CT_RATE_FINDINGS:
        column = f"probability_{name}"
        assert here[column].to_numpy() == pytest.approx(own.loc[here.index, column].to_numpy(), abs=1e-6)
    said = " ".join(result["leak_checks"])
    assert "0 of 5 patients are among the 3 that trained it" in said
    assert "only the pseudonym tells" in said


def test_the_run_is_kept_beside_those_of_its_task(registered: Registered) -> None:
    run(registered, ExternalData(batch="north"))
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=registered[0].mlflow_uri)
    experiment = client.get_experiment_by_name("ctloop-classification/external-test")
    found = client.search_runs([experiment.experiment_id])[0]
    assert "drop/auroc/macro/value" in found.data.metrics
    assert len(found.data.tags["expert_labels_sha256"]) == 64


def test_a_training_patient_and_a_copied_scan_are_refused(registered: Registered) -> None:
    workspace = registered[0]
    with pytest.raises(StateError, match="By pseudonym"):
        run(registered, ExternalData(batch="one"))
    table = workspace.prepared(TASK) / "frames.parquet"
    before = read_parquet(table)
    copied = before.copy()
    copied.loc[copied["patient_id"] == "p09", "sha256"] = copied["sha256"].iloc[0]
    try:
        copied.to_parquet(table)
        with pytest.raises(StateError, match="By voxels"):
            run(registered, ExternalData(batch="north"))
    finally:
        before.to_parquet(table)


def test_a_folder_outside_with_reconstructions_and_unknown_findings(
    registered: Registered, tmp_path: Path
) -> None:
    workspace = registered[0]
    before = {path for path in workspace.root.rglob("*") if ".ctloop" not in path.parts}
    result = run(registered, ExternalData(source=a_site(tmp_path / "site")))
    metrics = result["metrics"]
    assert (result["patients"], metrics["cases"]) == (5, 6)  # the last patient has two reconstructions
    assert metrics["findings"] == {"lung_nodule": {"positives": 2, "negatives": 3}}
    assert metrics["findings_not_judged"]["emphysema"] == {"positives": 1, "negatives": 3}
    assert metrics["findings_not_judged"]["hiatal_hernia"] == {"positives": 0, "negatives": 0}
    assert {row["label"] for row in result["drop"]} == {"macro", "weighted", "lung_nodule"}
    assert "nothing will train on them" in " ".join(result["leak_checks"])
    assert {path for path in workspace.root.rglob("*") if ".ctloop" not in path.parts} == before
    written = Path(result["report"]).parent
    page = (written / "index.html").read_text()
    assert "Roe-" not in page + json.dumps(result)  # a hyphen is no letter of the pictures' base64
    sizes = read_parquet(written / "per_patient.parquet")["patient_id"].value_counts()
    assert sorted(sizes) == [1, 1, 1, 1, 2]


def test_a_torn_scan_is_left_out_with_its_reason(registered: Registered, tmp_path: Path) -> None:
    source = a_site(tmp_path / "site")
    (source / "1-0.nii.gz").write_bytes(b"torn")
    result = run(registered, ExternalData(source=source))
    assert result["patients"] == 4
    assert len(result["left_out"]) == 1
    assert "quarantined" in Path(result["report"]).read_text()


def test_without_findings_there_is_nothing_to_judge(registered: Registered, tmp_path: Path) -> None:
    source = a_site(tmp_path / "site")
    table = pd.read_csv(source / "cases.csv", dtype=str)
    table[["path", "patient", "case", "task"]].to_csv(source / "cases.csv", index=False)
    with pytest.raises(StateError, match="a column of 0 and 1 for each finding"):
        run(registered, ExternalData(source=source))
    with pytest.raises(StateError, match="prepared frames of batch nowhere"):
        run(registered, ExternalData(batch="nowhere"))


def test_the_command_takes_both_tasks(registered: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTLOOP_STATE", raising=False)
    given = ("--task", TASK, "--batch", "north", "--workspace", str(registered[0].root))
    result = CliRunner().invoke(app, ["external-test", *given])
    assert result.exit_code != 0
    assert "a champion of ctloop-classification" in f"{result.output}{result.exception}"


def a_site(root: Path) -> Path:
    """Five patients, the last with two reconstructions; emphysema in one, of patient 0 unknown; nodules in two."""
    affine, rows = np.diag([-4.0, -4.0, 4.0, 1.0]), []
    root.mkdir()
    for patient, kernel in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 1)]:
        name = f"{patient}-{kernel}.nii.gz"
        hu = np.random.default_rng([patient, kernel]).normal(-300, 200, (24, 24, 24)).astype(np.int16)
        nibabel.Nifti1Image(hu, affine).to_filename(root / name)
        emphysema = "" if patient == 0 else str(int(patient == 1))
        nodule = int(patient >= 3)
        rows.append(f"{name},Roe-{patient},scan-{patient}-{kernel},{TASK},{emphysema},{nodule}")
    (root / "cases.csv").write_text("path,patient,case,task,emphysema,lung_nodule\n" + "\n".join(rows) + "\n")
    return root
