import json
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.blosc_store import load_label_map, load_volume
from components.adapters.parquet import read_parquet
from components.cohort.frames import validate_frames
from components.cohort.labels import LabelSidecar
from components.cohort.pseudonym import pseudonym
from components.errors import StateError
from pipelines import ingest_batch
from pipelines.add import add
from pipelines.ingest import ingest
from pipelines.pseudonym_key import pseudonym_key
from pipelines.quarantined_paths import quarantined_paths
from tests.components.adapters.synthetic_dicom import write_series
from tests.pipelines.small_sources import a_source, a_workspace, case_of_scan, content, write_ct

CINE = "one/cine/f1.nii.gz"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace = a_workspace(tmp_path / "ws")
    add(workspace, source=a_source(tmp_path / "scans"))
    return workspace


def frames_of(workspace, task):
    return read_parquet(workspace.ingested(task) / "frames.parquet")


def quarantine_of(workspace, task):
    return json.loads((workspace.ingested(task) / "quarantine.json").read_text())


def test_frames_rows_and_volumes_agree(workspace):
    ingest(workspace, "segmentation")
    frames = validate_frames(frames_of(workspace, "segmentation"))
    cine = case_of_scan(workspace, "segmentation", CINE)
    assert set(frames["frame_id"]) >= {f"{cine}__phase-{p:03d}" for p in (0, 30, 60)}
    assert list(frames["batch"].unique()) == ["one", "two"]
    for row in frames.to_dict("records"):
        volume = load_volume(workspace.ingested("segmentation") / "volumes" / f"{row['frame_id']}.b2nd")
        assert volume.voxels_hu.shape == (row["shape_z"], row["shape_y"], row["shape_x"]) == (14, 13, 12)
        assert row["orientation"] == volume.geometry.orientation == "LAS"
    names = {p.stem for p in (workspace.ingested("segmentation") / "volumes").iterdir()}
    assert names == set(frames["frame_id"])


def test_patients_are_pseudonyms_and_unmapped_files_patients_of_their_own(workspace):
    for task in ("segmentation", "classification"):
        ingest(workspace, task)
    key = pseudonym_key(workspace)
    chest = frames_of(workspace, "classification")
    one = chest[chest["site"] == "north"]
    assert set(one["patient_id"]) == {pseudonym(key, "patient", "MRN-1")}
    assert one["case_id"].nunique() == 2
    heart = frames_of(workspace, "segmentation")
    assert heart["patient_id"].nunique() == 3
    assert heart["site"].tolist().count("south") == 1


def test_nothing_written_names_anybody(workspace, tmp_path):
    for task in ("segmentation", "classification"):
        ingest(workspace, task)
    for name, data in content(workspace.root / "data").items():
        for secret in (b"MRN", b"Doe", b"heart-1", b"Roe", str(tmp_path).encode()):
            assert secret not in data, name
            assert secret.decode() not in name


def test_the_unusable_is_quarantined_with_its_reason_and_its_row_of_the_table(workspace, tmp_path, capsys):
    ingest(workspace, "classification")
    (item,) = quarantine_of(workspace, "classification")
    name = pseudonym(pseudonym_key(workspace), "source", "two/odd.nii.gz")
    assert (item["source"], item["batch"]) == (f"{name} (row 9 of the cases table)", "two")
    assert "unreadable or damaged" in item["reason"]
    told = capsys.readouterr().err
    assert "1 quarantined" in told
    assert "odd.nii" not in told


def test_only_the_owner_can_see_which_file_was_quarantined(workspace, tmp_path):
    ingest(workspace, "classification")
    (item,) = quarantine_of(workspace, "classification")
    assert quarantined_paths(workspace) == {item["source"].split()[0]: str(tmp_path / "scans" / "odd.nii.gz")}
    assert stat.S_IMODE(workspace.quarantined.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_opened_is_quarantined(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace, source = a_workspace(tmp_path / "ws"), tmp_path / "scans"
    write_ct(source / "a.nii.gz", 1)
    for name in ("gone.nii.gz", "gone.dcm", "gone"):
        (source / name).symlink_to(tmp_path / "nowhere" / name)
    os.mkfifo(source / "pipe")
    add(workspace, source=source, tasks=["classification"])
    ingest(workspace, "classification")
    assert len(frames_of(workspace, "classification")) == 1
    assert ["cannot be opened" in item["reason"] for item in quarantine_of(workspace, "classification")] == [
        True
    ] * 4


def test_the_table_may_say_who_labelled(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace, source = a_workspace(tmp_path / "ws"), a_source(tmp_path / "scans")
    table = pd.read_csv(source / "cases.csv", dtype=str, keep_default_na=False)
    table.assign(labelled_by="resident").to_csv(source / "cases.csv", index=False)
    add(workspace, source=source)
    for task in ("segmentation", "classification"):
        ingest(workspace, task)
        sidecars = list((workspace.ingested(task) / "labels").glob("*.sidecar.json"))
        assert sidecars
        assert {LabelSidecar.from_json(path.read_text()).annotator for path in sidecars} == {"resident"}


def test_labels_and_findings_of_the_table_are_expert_labels(workspace):
    for task in ("segmentation", "classification"):
        ingest(workspace, task)
    labels = workspace.ingested("segmentation") / "labels"
    cine = case_of_scan(workspace, "segmentation", CINE)
    assert sorted(p.name for p in labels.glob("*.b2nd")) == [
        f"{cine}__phase-{p:03d}.b2nd" for p in (0, 30, 60)
    ]
    label_map = load_label_map(labels / f"{cine}__phase-030.b2nd")
    assert dict(label_map.names) == {1: "left_ventricle", 2: "aorta"}
    assert set(np.unique(label_map.labels)) == {0, 1, 2}
    sidecar = LabelSidecar.from_json((labels / f"{cine}__phase-030.sidecar.json").read_text())
    assert (sidecar.provenance, sidecar.annotator) == ("expert", "cases.csv")
    findings = [
        json.loads(p.read_text())
        for p in (workspace.ingested("classification") / "labels").glob("c*.json")
        if "sidecar" not in p.name
    ]
    assert sorted(f["lung_nodule"] for f in findings) == [0, 1]
    assert all(f["emphysema"] is None for f in findings)


def count_reads(monkeypatch):
    read, real = [], ingest_batch.read_source

    def counting(root, files, **kwargs):
        for found in real(root, files, **kwargs):
            read.append(found.source)
            yield found

    monkeypatch.setattr(ingest_batch, "read_source", counting)
    return read


def test_a_second_run_reads_nothing_and_changes_nothing(workspace, monkeypatch):
    ingest(workspace, "segmentation")
    before = content(workspace.ingested("segmentation"))
    read = count_reads(monkeypatch)
    ingest(workspace, "segmentation")
    assert read == []
    assert content(workspace.ingested("segmentation")) == before


def test_a_new_batch_is_read_alone_and_ends_as_if_all_came_at_once(workspace, tmp_path, monkeypatch):
    ingest(workspace, "classification")
    for index in range(2):
        write_ct(tmp_path / "later" / f"{index}.nii", 50 + index)
    add(workspace, source=tmp_path / "later", tasks=["classification"])
    read = count_reads(monkeypatch)
    ingest(workspace, "classification")
    assert sorted(read) == ["0.nii", "1.nii"]
    step_by_step = content(workspace.ingested("classification"))
    fresh = a_workspace(tmp_path / "fresh")
    for name in ("scans", "later"):
        add(fresh, source=tmp_path / name, tasks=["classification"])
    ingest(fresh, "classification")
    assert content(fresh.ingested("classification")) == step_by_step


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_killed_run_goes_on_where_it_stood(workspace, tmp_path, monkeypatch, stop_after):
    real = ingest_batch.read_source

    def killed(root, files, **kwargs):
        for found in real(root, files, **kwargs):
            killed.seen += 1
            if killed.seen > stop_after:
                raise KeyboardInterrupt
            yield found

    killed.seen = 0
    monkeypatch.setattr(ingest_batch, "read_source", killed)
    with pytest.raises(KeyboardInterrupt):
        ingest(workspace, "segmentation")
    (journal,) = (workspace.state / "ingest" / "segmentation").glob("*.jsonl")
    journal.write_text(journal.read_text() + '\n{"source": "cut sho')
    monkeypatch.setattr(ingest_batch, "read_source", real)
    read = count_reads(monkeypatch)
    ingest(workspace, "segmentation")
    assert len(read) == 5 - stop_after
    assert not list((workspace.state / "ingest" / "segmentation").glob("*.jsonl"))
    fresh = a_workspace(tmp_path / "fresh")
    add(fresh, source=tmp_path / "scans")
    ingest(fresh, "segmentation")
    assert content(workspace.ingested("segmentation")) == content(fresh.ingested("segmentation"))


def test_a_removed_batch_leaves_no_file(workspace, tmp_path):
    ingest(workspace, "classification")
    fresh = a_workspace(tmp_path / "fresh")
    add(fresh, source=tmp_path / "scans", name="one")
    workspace.batches.write_bytes(fresh.batches.read_bytes())
    ingest(workspace, "classification")
    ingest(fresh, "classification")
    assert content(workspace.ingested("classification")) == content(fresh.ingested("classification"))


def test_a_lost_volume_is_read_again(workspace):
    ingest(workspace, "segmentation")
    before = content(workspace.ingested("segmentation"))
    cine = case_of_scan(workspace, "segmentation", CINE)
    (workspace.ingested("segmentation") / "volumes" / f"{cine}__phase-030.b2nd").unlink()
    ingest(workspace, "segmentation")
    assert content(workspace.ingested("segmentation")) == before


def test_a_source_that_changed_since_it_was_added_is_refused(workspace, tmp_path):
    write_ct(tmp_path / "scans" / "cine" / "f0.nii.gz", 77)
    with pytest.raises(StateError, match="as they were added"):
        ingest(workspace, "segmentation")


def test_a_source_unknown_to_this_machine_is_named(workspace):
    workspace.sources.unlink()
    with pytest.raises(StateError, match="ctloop add"):
        ingest(workspace, "segmentation")


def test_copies_and_collisions_are_quarantined(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace = a_workspace(tmp_path / "ws")
    source = tmp_path / "scans"
    for name, seed in (("a", 1), ("b", 1), ("c", 2), ("d", 3)):
        write_ct(source / f"{name}.nii", seed)
    (source / "cases.csv").write_text("path,case\na.nii,x\nb.nii,y\nc.nii,z\nd.nii,z\n")
    add(workspace, source=source, name="scans", tasks=["classification"])
    ingest(workspace, "classification")
    x, z = (case_of_scan(workspace, "classification", f"scans/{name}.nii") for name in ("a", "c"))
    assert sorted(frames_of(workspace, "classification")["case_id"]) == sorted([x, z])
    assert x != z
    paths = quarantined_paths(workspace)
    reasons = {
        Path(paths[item["source"].split()[0]]).name: item["reason"]
        for item in quarantine_of(workspace, "classification")
    }
    assert f"a copy of case {x}," in reasons["b.nii"]
    assert "same case and phase" in reasons["d.nii"]


def test_a_label_that_does_not_fit_is_quarantined_and_the_frame_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace = a_workspace(tmp_path / "ws")
    source = tmp_path / "scans"
    write_ct(source / "a.nii", 1)
    write_ct(source / "l.nii", 1, shape=(5, 5, 5))
    (source / "cases.csv").write_text("path,case,labels\na.nii,x,l.nii\n")
    add(workspace, source=source, name="scans", tasks=["segmentation"])
    ingest(workspace, "segmentation")
    x = case_of_scan(workspace, "segmentation", "scans/a.nii")
    assert frames_of(workspace, "segmentation")["case_id"].tolist() == [x]
    (item,) = quarantine_of(workspace, "segmentation")
    assert "label map" in item["reason"]
    assert list((workspace.ingested("segmentation") / "labels").iterdir()) == []


def test_a_dicom_folder_without_a_table_gives_cases_patients_and_hidden_sources(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace = a_workspace(tmp_path / "ws")
    for phase in (10, 60):
        write_series(tmp_path / "scans" / f"Doe^Jane {phase}", seed=phase, SeriesDescription=f"CTA {phase} %")
    write_series(tmp_path / "scans" / "tilted", seed=3, GantryDetectorTilt=9.0)
    add(workspace, source=tmp_path / "scans", tasks=["segmentation"])
    ingest(workspace, "segmentation")
    frames = frames_of(workspace, "segmentation")
    assert sorted(frames["phase_percent"]) == [10, 60]
    assert frames["case_id"].nunique() == frames["patient_id"].nunique() == 1
    assert frames["patient_id"][0] == pseudonym(pseudonym_key(workspace), "patient", "MRN-4711")
    (item,) = quarantine_of(workspace, "segmentation")
    assert item["source"].startswith("s")
    assert "/" not in item["source"]
    everything = b"".join(content(workspace.root / "data").values())
    for secret in (b"MRN-4711", b"Doe", b"1.2.3.4", b"General Hospital", b"1950"):
        assert secret not in everything


def test_no_batches_give_an_empty_table(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace = a_workspace(tmp_path / "ws")
    ingest(workspace, "segmentation")
    assert len(frames_of(workspace, "segmentation")) == 0
