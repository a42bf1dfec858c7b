"""Real scans through add, ingest, prepare and split."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from components.adapters.blosc_store import load_label_map, load_volume
from components.adapters.parquet import read_parquet
from components.cohort.pseudonym import pseudonym
from components.volume.volume import Volume
from pipelines.add import add
from pipelines.ingest import ingest
from pipelines.prepare import prepare
from pipelines.pseudonym_key import pseudonym_key
from pipelines.quarantined_paths import quarantined_paths
from pipelines.split import split
from pipelines.workspace import Workspace
from tests.pipelines.small_sources import have_answers

CASES = Path(__file__).with_name("cases.csv")
PATIENT_OF = {
    row["case"]: row["patient"] for row in csv.DictReader(CASES.read_text().splitlines()) if row["case"]
}
SOURCE = os.environ.get("CTLOOP_REALDATA", "")
PARAMS = """
ingest: {min_slices: 8}
prepare:
  segmentation: {spacing_mm: [4.0, 4.0, 4.0]}
  classification: {spacing_mm: [6.0, 6.0, 6.0]}
labels: {structures: [whole_heart, pulmonary_artery]}
split: {audit_share: 0.2, seed: 0}
"""
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SOURCE, reason="CTLOOP_REALDATA names no folder of real scans"),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("real")
    (root / "pipelines").mkdir()
    (root / "pipelines" / "params.yaml").write_text(PARAMS)
    workspace = Workspace(root=root, state=root / ".ctloop")
    have_answers(workspace)
    add(workspace, source=Path(SOURCE), cases=CASES)
    ingest(workspace, "segmentation")
    ingest(workspace, "classification")
    return workspace


def case_of(workspace: Workspace, stated: str) -> str:
    """The pseudonym of a case that the table states."""
    return pseudonym(pseudonym_key(workspace), "case", f"{PATIENT_OF[stated]}/{stated}")


def native(workspace: Workspace, stated: str) -> Volume:
    return load_volume(
        workspace.ingested("classification") / "volumes" / f"{case_of(workspace, stated)}.b2nd"
    )


def test_every_scan_is_in_and_no_label_map_is_taken_for_one(workspace: Workspace) -> None:
    frames = read_parquet(workspace.ingested("segmentation") / "frames.parquet")
    a0002 = {"lung-dx-A0002-B40f", "lung-dx-A0002-B70f", "lung-dx-A0002-B40f-dicom"}
    hearts = {"heart-1", "lowres-64", "abdomen-1", "lung-dx-A0002-B40f-dicom"}
    assert sorted(frames["frame_id"]) == sorted(case_of(workspace, stated) for stated in hearts)
    chest = read_parquet(workspace.ingested("classification") / "frames.parquet")
    chests = {"lidc-0314", "lung-dx-A0001-L", "lowres-64", "abdomen-1"} | a0002
    assert sorted(chest["frame_id"]) == sorted(case_of(workspace, stated) for stated in chests)


def test_two_kernels_and_the_dicom_series_are_one_patient(workspace: Workspace) -> None:
    frames = read_parquet(workspace.ingested("classification") / "frames.parquet")
    stated = [name for name in PATIENT_OF if name.startswith("lung-dx-A0002")]
    a0002 = frames[frames["case_id"].isin([case_of(workspace, name) for name in stated])]
    assert len(a0002) == 3
    assert a0002["patient_id"].nunique() == 1
    assert set(a0002["kernel"]) == {"B40f", "B70f"}
    assert frames["patient_id"].nunique() == 5


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_odd_series_are_quarantined_with_their_reasons(workspace: Workspace, task: str) -> None:
    items = json.loads((workspace.root / "data" / task / "ingested" / "quarantine.json").read_text())
    paths = quarantined_paths(workspace)
    tilted, one_uid = sorted(items, key=lambda item: paths[item["source"].split()[0]])
    assert "/odd/gantry_tilt_mixed_spacing/" in paths[tilted["source"].split()[0]]
    assert "gantry tilt of 18.5°" in tilted["reason"]
    assert "mixed slice steps: 1.08, 4, 7 mm" in tilted["reason"]
    assert "/odd/jpeg2000_one_sop_uid/" in paths[one_uid["source"].split()[0]]
    assert "duplicate SOPInstanceUIDs: 20 of 20" in one_uid["reason"]


def test_the_dicom_series_equals_its_nifti_twin(workspace: Workspace) -> None:
    """The NIfTI holds 2 × 2 in-plane block means of the DICOM series, rounded."""
    dicom, nifti = native(workspace, "lung-dx-A0002-B40f-dicom"), native(workspace, "lung-dx-A0002-B40f")
    z, y, x = dicom.voxels_hu.shape
    means = dicom.voxels_hu.reshape(z, y // 2, 2, x // 2, 2).astype(float).mean(axis=(2, 4))
    assert np.abs(means - nifti.voxels_hu).max() <= 1.0
    # a block's centre lies half a fine voxel beyond its first voxel's
    centre = dicom.geometry.affine @ np.array([0.0, 0.5, 0.5, 1.0])
    np.testing.assert_allclose(nifti.geometry.affine[:3, 3], centre[:3], atol=0.01)
    np.testing.assert_allclose(
        nifti.geometry.spacing_mm, np.array(dicom.geometry.spacing_mm) * [1, 2, 2], rtol=1e-5
    )


def test_the_heart_keeps_its_volume_on_the_prepared_grid(workspace: Workspace) -> None:
    prepare(workspace, "segmentation")
    name = f"{case_of(workspace, 'heart-1')}.b2nd"
    before = load_label_map(workspace.ingested("segmentation") / "labels" / name)
    after = load_label_map(workspace.labels("segmentation") / name)
    assert dict(after.names) == {1: "whole_heart", 2: "pulmonary_artery"}
    for value in (1, 2):
        ml = [float((m.labels == value).sum() * m.geometry.voxel_volume_ml) for m in (before, after)]
        assert ml[1] == pytest.approx(ml[0], rel=0.05)
    frame = load_volume(workspace.prepared("segmentation") / "frames" / name)
    heart = frame.voxels_hu[after.labels == 1].astype(float)
    assert 50 < float(np.median(heart)) < 600  # contrast in the chambers: label and scan lie together


def test_no_patient_is_on_both_sides_and_somebody_trains(workspace: Workspace) -> None:
    for task in ("segmentation", "classification"):
        prepare(workspace, task)  # type: ignore[arg-type]
        split(workspace, task)  # type: ignore[arg-type]
        sides = json.loads((workspace.root / "data" / task / "split.json").read_text())["assignments"]
        assert set(sides.values()) == {"train", "test"}
    findings = read_parquet(workspace.labels("classification") / "findings.parquet")
    assert (findings["lung_nodule"] == 1.0).all()
    assert findings.drop(columns=["case_id", "lung_nodule"]).isna().all(axis=None)


def test_nothing_names_a_patient_or_a_folder(workspace: Workspace) -> None:
    stated = {*PATIENT_OF, *PATIENT_OF.values()}
    secrets = {"Lung_Dx", "1.3.6.1.4.1", "LIDC-IDRI", SOURCE, *stated}
    for path in (workspace.root / "data").rglob("*"):
        assert not any(secret in path.name for secret in secrets), path
        if path.is_file():
            data = path.read_bytes()
            assert not any(secret.encode() in data for secret in secrets), path
