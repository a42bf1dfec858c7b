import json

import numpy as np
import pytest

from components.adapters.answer_folder import AnswerFolder
from components.adapters.blosc_store import load_geometry, load_label_map, load_volume
from components.adapters.parquet import read_parquet
from components.cohort.labels import LabelSidecar
from components.volume.canonical import canonical_geometry
from components.volume.resample import resample
from components.volume.volume import LabelMap
from pipelines import prepare as stage
from pipelines.add import add
from pipelines.ingest import ingest
from pipelines.prepare import prepare
from tests.pipelines.small_sources import PARAMS, a_source, a_workspace, case_of_scan, content

SHA = "a" * 64


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    workspace = a_workspace(tmp_path / "ws")
    add(workspace, source=a_source(tmp_path / "scans"))
    for task in ("segmentation", "classification"):
        ingest(workspace, task)
    return workspace


@pytest.fixture
def cine(workspace):
    """The case of the three labelled frames."""
    return case_of_scan(workspace, "segmentation", "one/cine/f1.nii.gz")


def quarantine_of(workspace, task):
    return json.loads((workspace.prepared(task) / "quarantine.json").read_text())


def test_frames_are_lps_at_the_spacing_and_the_table_says_so(workspace):
    prepare(workspace, "segmentation")
    table = read_parquet(workspace.prepared("segmentation") / "frames.parquet")
    assert len(table) == 5
    for row in table.to_dict("records"):
        name = f"{row['frame_id']}.b2nd"
        native = load_volume(workspace.ingested("segmentation") / "volumes" / name)
        volume = load_volume(workspace.prepared("segmentation") / "frames" / name)
        assert volume.geometry.orientation == "LPS"
        assert volume.geometry.spacing_mm == (4.0, 4.0, 4.0)
        assert volume.geometry.shape == tuple(row[f"prepared_shape_{axis}"] for axis in "zyx") == (7, 7, 6)
        again = resample(native, canonical_geometry(native.geometry, (4.0, 4.0, 4.0)))
        np.testing.assert_array_equal(volume.voxels_hu, again.voxels_hu)


def test_labels_lie_on_the_prepared_grid_with_our_values(workspace, cine):
    prepare(workspace, "segmentation")
    folder = workspace.labels("segmentation")
    assert {p.name.split(".")[0] for p in folder.glob("*.b2nd")} == {
        f"{cine}__phase-{p:03d}" for p in (0, 30, 60)
    }
    label_map = load_label_map(folder / f"{cine}__phase-030.b2nd")
    grid = load_geometry(workspace.prepared("segmentation") / "frames" / f"{cine}__phase-030.b2nd")
    assert label_map.geometry.matches(grid)
    assert dict(label_map.names) == {1: "left_ventricle", 2: "aorta"}
    assert {1, 2} <= set(np.unique(label_map.labels))
    assert (
        LabelSidecar.from_json((folder / f"{cine}__phase-030.sidecar.json").read_text()).provenance
        == "expert"
    )


def test_structures_decide_the_values(workspace, cine):
    text = PARAMS.replace("structures: [left_ventricle, aorta]", "structures: [aorta]")
    prepare(workspace, "segmentation")
    two = load_label_map(workspace.labels("segmentation") / f"{cine}__phase-030.b2nd").labels
    workspace.params.write_text(text)
    prepare(workspace, "segmentation")
    one = load_label_map(workspace.labels("segmentation") / f"{cine}__phase-030.b2nd")
    assert dict(one.names) == {1: "aorta"}
    assert set(np.unique(one.labels)) == {0, 1}
    assert (one.labels == 1).sum() >= (two == 2).sum() > 0
    workspace.params.write_text(PARAMS.replace("structures: [left_ventricle, aorta]", "structures: [spleen]"))
    prepare(workspace, "segmentation")
    assert [item["what"] for item in quarantine_of(workspace, "segmentation")] == ["label"] * 3
    assert not list(workspace.labels("segmentation").glob(f"{cine}*"))


def test_findings_become_a_table_with_unknowns(workspace):
    prepare(workspace, "classification")
    folder = workspace.labels("classification")
    table = read_parquet(folder / "findings.parquet")
    assert list(table.columns) == ["case_id", "emphysema", "lung_nodule"]
    assert sorted(table["lung_nodule"]) == [0.0, 1.0]
    assert table["emphysema"].isna().all()
    assert {f"{case}.sidecar.json" for case in table["case_id"]} | {"findings.parquet"} == set(
        content(folder)
    )


def test_an_answer_wins_and_can_be_withdrawn(workspace, cine):
    prepare(workspace, "segmentation")
    before = content(workspace.labels("segmentation"))
    native = load_geometry(workspace.ingested("segmentation") / "volumes" / f"{cine}__phase-030.b2nd")
    labels = np.full(native.shape, 2, np.uint8)
    shelf = AnswerFolder(workspace.answers("segmentation"))
    answer = LabelSidecar(provenance="expert", label_sha256=SHA, annotator="reader-1", request_id="r1")
    shelf.put_label_map(
        f"{cine}__phase-030",
        LabelMap(labels=labels, geometry=native, names={1: "left_ventricle", 2: "aorta"}),
        answer,
    )
    prepare(workspace, "segmentation")
    folder = workspace.labels("segmentation")
    assert (load_label_map(folder / f"{cine}__phase-030.b2nd").labels == 2).all()
    assert LabelSidecar.from_json((folder / f"{cine}__phase-030.sidecar.json").read_text()) == answer
    for path in workspace.answers("segmentation").iterdir():
        path.unlink()
    prepare(workspace, "segmentation")
    assert content(folder) == before


def test_answered_findings_win(workspace):
    prepare(workspace, "classification")
    case = read_parquet(workspace.labels("classification") / "findings.parquet")["case_id"][0]
    shelf = AnswerFolder(workspace.answers("classification"))
    shelf.put_findings(
        case, {"emphysema": 1, "lung_nodule": None}, LabelSidecar(provenance="expert", label_sha256=SHA)
    )
    prepare(workspace, "classification")
    table = read_parquet(workspace.labels("classification") / "findings.parquet").set_index("case_id")
    assert table.loc[case, "emphysema"] == 1
    assert np.isnan(table.loc[case, "lung_nodule"])


def test_a_second_run_resamples_nothing(workspace, monkeypatch):
    prepare(workspace, "segmentation")
    before = content(workspace.prepared("segmentation")) | content(workspace.labels("segmentation"))
    done = []
    monkeypatch.setattr(stage, "prepare_volume", lambda volume, to: done.append(to))
    prepare(workspace, "segmentation")
    assert done == []
    assert content(workspace.prepared("segmentation")) | content(workspace.labels("segmentation")) == before


def test_other_parameters_resample_and_give_what_a_fresh_run_gives(workspace, tmp_path):
    prepare(workspace, "segmentation")
    other = PARAMS.replace("[4.0, 4.0, 4.0]", "[3.0, 4.0, 5.0]")
    workspace.params.write_text(other)
    prepare(workspace, "segmentation")
    fresh = a_workspace(tmp_path / "fresh")
    fresh.params.write_text(other)
    add(fresh, source=tmp_path / "scans")
    ingest(fresh, "segmentation")
    prepare(fresh, "segmentation")
    assert content(workspace.prepared("segmentation")) == content(fresh.prepared("segmentation"))
    assert content(workspace.labels("segmentation")) == content(fresh.labels("segmentation"))


@pytest.mark.parametrize(
    ("limit", "words"),
    [("min_voxels: 7", "7 voxels or more"), ("min_voxels: 4, max_voxels: 9", "at most 9 voxels")],
)
def test_frames_too_small_or_too_large_are_quarantined(workspace, limit, words):
    workspace.params.write_text(PARAMS.replace("min_voxels: 4", limit, 1))
    prepare(workspace, "segmentation")
    items = quarantine_of(workspace, "segmentation")
    assert len(items) == 5
    assert all(words in item["reason"] for item in items)
    assert len(read_parquet(workspace.prepared("segmentation") / "frames.parquet")) == 0
    assert list((workspace.prepared("segmentation") / "frames").iterdir()) == []
    assert not list(workspace.labels("segmentation").glob("*.b2nd"))


def test_a_damaged_native_volume_is_quarantined(workspace, cine):
    (workspace.ingested("segmentation") / "volumes" / f"{cine}__phase-030.b2nd").write_bytes(b"x")
    prepare(workspace, "segmentation")
    (item,) = quarantine_of(workspace, "segmentation")
    assert item["frame_id"] == f"{cine}__phase-030"
    assert "intact" in item["reason"]
