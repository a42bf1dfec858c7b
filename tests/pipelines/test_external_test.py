"""A registered version on patients that did not train it: a batch of the workspace, and a folder outside."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.adapters.parquet import read_parquet
from components.errors import ParameterError, StateError
from components.models.package import load_predictor
from components.registry.registry import ModelVersion
from pipelines.evaluate import evaluate
from pipelines.external_data import ExternalData
from pipelines.external_test import chosen_version, external_test, headline
from pipelines.quarantined_paths import quarantined_paths
from pipelines.register import register
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory
from tests.pipelines.judged_workspace import commit_with_lock, make_workspace
from tests.pipelines.test_judging import KeepingRegistry

NAME = "ctloop-test"
Registered = tuple[Workspace, KeepingRegistry, ModelVersion]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """Patients p00 to p02 train, p03 to p06 judge; then p05 and p06 turn out to be from the north."""
    workspace = make_workspace(tmp_path_factory.mktemp("site"), "segmentation", train=3, test=4)
    for place, sidecar in enumerate(sorted(workspace.labels("segmentation").glob("*.sidecar.json"))):
        sidecar.write_text(sidecar.read_text().replace("0" * 64, f"{place:064x}"))
    table = workspace.prepared("segmentation") / "frames.parquet"
    frames = read_parquet(table)
    frames["sha256"] = [f"{place:064x}" for place in range(len(frames))]
    frames.to_parquet(table)
    commit_with_lock(workspace, "segmentation")
    registry = KeepingRegistry(tmp_path_factory.mktemp("kept"))
    evaluate(workspace, "segmentation")
    version = register(workspace, "segmentation", registry, LedgerInMemory(), name=NAME)
    frames.loc[frames["patient_id"].isin(["p05", "p06"]), "batch"] = "north"
    frames.to_parquet(table)
    return workspace, registry, version


def run(registered: Registered, data: ExternalData) -> dict[str, object]:
    workspace, registry, version = registered
    return external_test(
        workspace, "segmentation", version, data, registry=registry, load_predictor=load_predictor
    )


def test_a_batch_of_the_workspace(registered: Registered) -> None:
    result = run(registered, ExternalData(batch="north"))
    assert (result["patients"], result["held_out_patients"], result["shared_held_out"]) == (2, 2, 2)
    rows = {(row["metric"], row["label"]): row for row in result["drop"]}  # type: ignore[attr-defined]
    mean = rows["dice", "mean"]
    gap = mean["held_out"]["value"] - mean["external"]["value"]
    assert mean["drop"]["value"] == pytest.approx(gap, abs=2e-6)
    assert mean["drop"]["low"] <= mean["drop"]["value"] <= mean["drop"]["high"]
    said = " ".join(result["leak_checks"])  # type: ignore[arg-type]
    assert "0 of 2 patients are among the 3 that trained it" in said
    assert "every patient is on the test side" in said
    page = Path(str(result["report"]))
    assert "The drop" in page.read_text()
    kept = json.loads((page.parent / "result.json").read_text())
    assert kept["package_hash"] == registered[2].package_hash
    assert len(read_parquet(page.parent / "per_patient.parquet")) == 2
    assert "drop" in headline(result)


def test_the_run_names_what_it_read_by_hash(registered: Registered) -> None:
    run(registered, ExternalData(batch="north"))
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=registered[0].mlflow_uri)
    experiment = client.get_experiment_by_name("ctloop-segmentation/external-test")
    found = client.search_runs([experiment.experiment_id])[0]
    assert found.data.tags["package_hash"] == registered[2].package_hash
    assert all(len(found.data.tags[f"{name}_sha256"]) == 64 for name in ("data", "expert_labels"))
    assert "drop/dice/mean/value" in found.data.metrics


def test_a_batch_with_a_training_patient_is_refused(registered: Registered) -> None:
    with pytest.raises(StateError, match=r"did not train ctloop-test/1, got 2 of 3 who did"):
        run(registered, ExternalData(batch="one"))


def test_a_scan_that_trained_under_another_name_is_refused(registered: Registered) -> None:
    workspace = registered[0]
    table = workspace.prepared("segmentation") / "frames.parquet"
    before = read_parquet(table)
    copied = before.copy()
    copied.loc[copied["patient_id"] == "p06", "sha256"] = copied["sha256"].iloc[0]
    try:
        copied.to_parquet(table)
        with pytest.raises(StateError, match="By voxels"):
            run(registered, ExternalData(batch="north"))
    finally:
        before.to_parquet(table)


def test_a_folder_outside_never_enters_the_workspace(registered: Registered, tmp_path: Path) -> None:
    workspace = registered[0]
    source = a_site(tmp_path / "site")
    before = {path for path in workspace.root.rglob("*") if ".ctloop" not in path.parts}
    result = run(registered, ExternalData(source=source))
    assert result["patients"] == 2
    assert "nothing will train on them" in " ".join(result["leak_checks"])  # type: ignore[arg-type]
    assert result["metrics"]["frames"] == 4  # type: ignore[index]
    assert {path for path in workspace.root.rglob("*") if ".ctloop" not in path.parts} == before
    assert not list(workspace.state.glob("external-*"))
    written = Path(str(result["report"])).parent
    assert "Roe" not in "".join(path.read_text() for path in written.glob("*.json"))


def test_a_label_on_another_grid_is_left_out_with_its_reason(registered: Registered, tmp_path: Path) -> None:
    source = a_site(tmp_path / "site")
    small = nibabel.Nifti1Image(np.ones((9, 9, 9), np.uint8), np.eye(4))
    small.to_filename(source / "l0-0.nii.gz")
    (source / "1-50.nii.gz").write_bytes(b"torn")
    result = run(registered, ExternalData(source=source))
    assert (result["patients"], result["metrics"]["frames"]) == (2, 2)  # type: ignore[index]
    reasons = [item["reason"] for item in result["left_out"]]  # type: ignore[attr-defined]
    assert len(reasons) == 2
    assert any("grid" in reason for reason in reasons)
    page = Path(str(result["report"])).read_text()
    assert "quarantined" in page
    (torn,) = (item["what"].split()[1] for item in result["left_out"] if "unreadable" in item["reason"])  # type: ignore[attr-defined]
    assert Path(quarantined_paths(registered[0])[torn]) == source / "1-50.nii.gz"


def test_nothing_of_an_earlier_report_stays(registered: Registered) -> None:
    folder = Path(str(run(registered, ExternalData(batch="north"))["report"])).parent
    (folder / "cine-9.webp").touch()
    run(registered, ExternalData(batch="north"))
    assert not (folder / "cine-9.webp").exists()


def test_what_cannot_be_tested_is_said(registered: Registered, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="prepared frames of batch nowhere"):
        run(registered, ExternalData(batch="nowhere"))
    with pytest.raises(StateError, match="expert labels in an outside folder"):
        run(registered, ExternalData(source=a_site(tmp_path / "site", labels=False)))
    with pytest.raises(ParameterError, match="got neither"):
        ExternalData()
    with pytest.raises(ParameterError, match="got both"):
        ExternalData(batch="a", source=tmp_path)


def test_versions_by_number_and_alias(registered: Registered) -> None:
    _, registry, version = registered
    assert chosen_version(registry, NAME, number=1, alias=None) == version
    assert chosen_version(registry, NAME, number=None, alias="challenger") == version
    with pytest.raises(StateError, match="a champion of"):
        chosen_version(registry, NAME, number=None, alias=None)
    with pytest.raises(StateError, match="version 7"):
        chosen_version(registry, NAME, number=7, alias=None)
    with pytest.raises(ParameterError, match="an alias among"):
        chosen_version(registry, NAME, number=None, alias="best")
    with pytest.raises(ParameterError, match="got both"):
        chosen_version(registry, NAME, number=1, alias="champion")


def a_site(root: Path, *, labels: bool = True) -> Path:
    """Two patients with a cine of two phases, 24 voxels of 4 mm a side."""
    affine, rows = np.diag([-4.0, -4.0, 4.0, 1.0]), []
    root.mkdir()
    for patient in range(2):
        for phase in (0, 50):
            name = f"{patient}-{phase}.nii.gz"
            truth = np.zeros((24, 24, 24), np.uint8)
            truth[6:16, 6:16, 6 : 16 - phase // 25] = 1
            noise = np.random.default_rng(patient + phase).normal(0, 20, truth.shape)
            nibabel.Nifti1Image((200 * truth + noise).astype(np.int16), affine).to_filename(root / name)
            nibabel.Nifti1Image(truth, affine).to_filename(root / f"l{name}")
            label = f"l{name},1=left_ventricle" if labels else ","
            rows.append(f"{name},Roe-{patient},cine-{patient},segmentation,{phase},{label}")
            if not labels:
                rows.append(f"l{name},,,none,,,")
    (root / "cases.csv").write_text(
        "path,patient,case,task,phase,labels,label_values\n" + "\n".join(rows) + "\n"
    )
    return root
