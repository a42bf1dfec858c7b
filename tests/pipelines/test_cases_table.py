import json

import numpy as np
import pytest
from typer.testing import CliRunner

from components.adapters.blosc_store import load_volume
from components.adapters.parquet import read_parquet
from components.cohort.frames import validate_frames
from components.cohort.labels import LabelSidecar
from components.cohort.pseudonym import pseudonym
from components.errors import InputError, StateError
from pipelines.add import add
from pipelines.cases_table import ct_rate, rad_chestct
from pipelines.cli import app
from pipelines.ingest import ingest
from pipelines.prepare import prepare
from pipelines.pseudonym_key import pseudonym_key
from tests.pipelines.published_sources import (
    SPACING,
    ct_rate_tables,
    rad_chestct_labels,
    write_ct_rate,
    write_rad_chestct,
)
from tests.pipelines.small_sources import PARAMS, a_workspace, case_of_scan, content, write_ct

NAMES = ("valid_1_a_1", "valid_1_a_2", "valid_1_b_1", "train_20_a_1")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Prepared frames keep their spacing, so that voxels are moved and not mixed."""
    monkeypatch.setenv("CTLOOP_PSEUDONYM_KEY", "a key for tests only")
    made = a_workspace(tmp_path / "ws")
    made.params.write_text(
        PARAMS.replace("spacing_mm: [3.0, 3.0, 3.0]", "spacing_mm: null").replace(
            "findings: [emphysema, lung_nodule]", "findings: [emphysema, lung_nodule, gold]"
        )
    )
    return made


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "CT-RATE"
    for seed, name in enumerate(NAMES):
        write_ct_rate(folder, name, seed)
    return folder


def tables(folder, names=NAMES, **options):
    labels, metadata = ct_rate_tables(folder, names, **options)
    return {"labels": [labels], "metadata": [metadata]}


def take(workspace, source):
    add(workspace, source=source, name="b")
    ingest(workspace, "classification")
    prepare(workspace, "classification")
    return read_parquet(workspace.prepared("classification") / "frames.parquet")


def volumes_of(workspace, scan):
    """The native and the prepared volume of the frame that came from ``scan``."""
    frame = case_of_scan(workspace, "classification", f"b/{scan}")
    return (
        load_volume(workspace.ingested("classification") / "volumes" / f"{frame}.b2nd"),
        load_volume(workspace.prepared("classification") / "frames" / f"{frame}.b2nd"),
    )


def quarantine_of(workspace):
    return json.loads((workspace.ingested("classification") / "quarantine.json").read_text())


def findings_of(workspace):
    return read_parquet(workspace.labels("classification") / "findings.parquet").set_index("case_id")


def place_of(name, folder="valid"):
    split, patient, scan, _ = name.split("_")
    return f"{folder}/{split}_{patient}/{split}_{patient}_{scan}/{name}.nii.gz"


# --- CT-RATE


def test_raw_values_become_hounsfield_units_on_the_grid_of_the_metadata(workspace, source):
    ct_rate(workspace, source, **tables(source))
    frames = take(workspace, source)
    assert len(validate_frames(frames, extra=True)) == 4
    assert quarantine_of(workspace) == []
    for seed, name in enumerate(NAMES):
        expected = write_ct_rate(source.parent / "again", name, seed)
        native, prepared = volumes_of(workspace, place_of(name, name.split("_")[0]))
        np.testing.assert_array_equal(native.voxels_hu, expected)
        np.testing.assert_array_equal(prepared.voxels_hu, expected)  # LPS already
        assert prepared.geometry.orientation == "LPS"
        np.testing.assert_allclose(prepared.geometry.spacing_mm, tuple(SPACING.values()))
    np.testing.assert_allclose(
        frames[["spacing_z_mm", "spacing_y_mm", "spacing_x_mm"]], [[1.5, 0.7, 0.8]] * 4
    )


def test_scans_and_reconstructions_are_cases_of_one_patient(workspace, source):
    ct_rate(workspace, source, **tables(source))
    frames = take(workspace, source)
    key = pseudonym_key(workspace)
    by_patient = frames.groupby("patient_id")["case_id"].nunique().to_dict()
    assert by_patient == {
        pseudonym(key, "patient", "valid_1"): 3,
        pseudonym(key, "patient", "train_20"): 1,
    }


def test_what_the_metadata_says_reaches_the_frames(workspace, source):
    ct_rate(workspace, source, **tables(source))
    frames = take(workspace, source)
    for column, value in {
        "site": "ct-rate", "manufacturer": "Siemens", "model": "Force", "kernel": "Br40f/3", "sex": "F",
        "age_years": 34.0, "acquired_at": "2021-02-28",
    }.items():  # fmt: skip
        assert set(frames[column]) == {value}


def test_findings_are_one_zero_or_unknown_and_reports_know_where_they_are_from(workspace, source):
    given = tables(source, findings={"valid_1_a_1": {"Lung nodule": "1", "Emphysema": ""}})
    report = ct_rate(workspace, source, **given)
    assert report.unknown == ("gold",)
    assert report.columns_of == {"emphysema": ("Emphysema",), "lung_nodule": ("Lung nodule",)}
    take(workspace, source)
    found = findings_of(workspace)
    case = case_of_scan(workspace, "classification", f"b/{place_of('valid_1_a_1')}")
    assert found.loc[case, "lung_nodule"] == 1
    assert np.isnan(found.loc[case, "emphysema"])
    others = found.drop(case)
    assert set(others["lung_nodule"]) == {0.0}
    assert set(others["emphysema"]) == {1.0}
    assert found["gold"].isna().all()
    sidecars = (workspace.labels("classification")).glob("*.sidecar.json")
    assert {LabelSidecar.from_json(path.read_text()).annotator for path in sidecars} == {
        "CT-RATE: text classifier, from reports"
    }


def test_the_second_release_is_taken_as_it_is(workspace, tmp_path):
    folder = tmp_path / "CT-RATE"
    expected = write_ct_rate(folder, "valid_1_a_1", 0, corrected=True)
    ct_rate(workspace, folder, **tables(folder, ["valid_1_a_1"]))
    take(workspace, folder)
    _, prepared = volumes_of(workspace, place_of("valid_1_a_1", "valid_fixed"))
    np.testing.assert_array_equal(prepared.voxels_hu, expected)
    np.testing.assert_allclose(prepared.geometry.spacing_mm, tuple(SPACING.values()), rtol=1e-6)


def test_the_second_release_taken_for_the_first_is_quarantined(workspace, tmp_path):
    folder = tmp_path / "CT-RATE"
    write_ct_rate(folder, "valid_1_a_1", 0, corrected=True)
    ct_rate(workspace, folder, **tables(folder, ["valid_1_a_1"]), release=1)
    assert len(take(workspace, folder)) == 0
    (item,) = quarantine_of(workspace)
    assert "Hounsfield units already" in item["reason"]


def test_what_has_no_row_is_named_and_never_reaches_the_workspace(workspace, source):
    given = tables(source, [*NAMES, "valid_7_a_1", "valid_8_a_1", "valid_8_a_2", "valid_9_a_1"])
    for path in (*given["labels"], *given["metadata"]):
        path.write_text(path.read_text().replace("valid_1_a_2.nii.gz,", "valid_1_a_2.nii.gz,x,", 1))
    write_ct(source / "valid" / "mask.nii.gz", 9)
    report = ct_rate(workspace, source, **given)
    assert (report.scans, report.patients, report.unlabelled, report.hidden) == (3, 2, 0, 2)
    reasons = {reason: (left.scans, left.first) for reason, left in report.left_out.items()}
    assert reasons["in the labels, without a file"] == (4, ("valid_7_a_1", "valid_8_a_1", "valid_8_a_2"))
    assert ("valid_1_a_2",) in [first for _, first in reasons.values()]
    assert "valid_8_a_2, …" in str(report)
    assert len(take(workspace, source)) == 3
    assert quarantine_of(workspace) == []


def test_one_damaged_file_does_not_stop_the_others(workspace, source):
    (source / place_of("valid_1_b_1")).write_bytes(b"broken")
    ct_rate(workspace, source, **tables(source))
    assert len(take(workspace, source)) == 3
    (item,) = quarantine_of(workspace)
    assert "damaged" in item["reason"]


def test_a_scan_without_labels_waits_in_the_pool(workspace, source):
    given = tables(source)
    lines = given["labels"][0].read_text().splitlines(keepends=True)
    given["labels"][0].write_text("".join(lines[:2]))
    assert ct_rate(workspace, source, **given).unlabelled == 3
    assert len(take(workspace, source)) == 4
    assert len(findings_of(workspace)) == 1


def test_parts_may_have_tables_of_their_own(workspace, source, tmp_path):
    both = {"labels": [], "metadata": []}
    for part, names in (("one", NAMES[:3]), ("two", NAMES[3:])):
        (tmp_path / part).mkdir()
        for kind, paths in tables(tmp_path / part, names).items():
            both[kind] += paths
    assert ct_rate(workspace, source, **both).scans == 4


def test_nothing_written_or_said_names_a_scan(workspace, source, capsys):
    (source / place_of("valid_1_b_1")).write_bytes(b"broken")
    ct_rate(workspace, source, **tables(source))
    take(workspace, source)
    said = capsys.readouterr()
    for secret in ("valid_1", "train_20", str(source)):
        assert secret not in said.err + said.out
        for name, data in content(workspace.root / "data").items():
            assert secret.encode() not in data, name


# --- Rad-ChestCT


RAD = {"trn00001": ("cardiomegaly*heart", "nodulegr1cm*lung"), "tst00002": ("emphysema*left_upper",)}


def test_an_npz_stands_upright_with_its_findings(workspace, tmp_path):
    folder = tmp_path / "RAD"
    expected = {name: write_rad_chestct(folder, name, seed) for seed, name in enumerate(RAD)}
    report = rad_chestct(workspace, folder, labels=[rad_chestct_labels(folder, RAD)])
    assert (report.scans, report.patients, report.unknown) == (2, None, ("gold",))
    assert "patient of its own" in str(report)
    assert "finding  lung_nodule: nodule or nodulegr1cm" in str(report)
    frames = take(workspace, folder)
    assert quarantine_of(workspace) == []
    assert set(frames["orientation"]) == {"LPI"}
    assert frames["patient_id"].nunique() == 2
    for name, voxels in expected.items():
        native, prepared = volumes_of(workspace, f"{name}.npz")
        np.testing.assert_array_equal(native.voxels_hu, voxels)
        np.testing.assert_array_equal(prepared.voxels_hu, voxels[::-1])  # from the feet upwards
        np.testing.assert_allclose(prepared.geometry.spacing_mm, (0.8, 0.8, 0.8))
    found = findings_of(workspace)
    nodules = {name: found.loc[case_of_scan(workspace, "classification", f"b/{name}.npz")] for name in RAD}
    assert nodules["trn00001"][["emphysema", "lung_nodule"]].tolist() == [0, 1]
    assert nodules["tst00002"][["emphysema", "lung_nodule"]].tolist() == [1, 0]


def test_scans_of_one_patient_are_known_from_the_metadata(workspace, tmp_path):
    folder = tmp_path / "RAD"
    for seed, name in enumerate(RAD):
        write_rad_chestct(folder, name, seed)
    metadata = folder / "CT_Scan_Metadata_Complete_35747.csv"
    metadata.write_text("NoteAcc_DEID,MRN_DEID,PatientSex,PatientAge\ntrn00001,5,M,093Y\ntst00002,5,M,094Y\n")
    labels = [rad_chestct_labels(folder, RAD)]
    assert rad_chestct(workspace, folder, labels=labels, metadata=[metadata]).patients == 1
    frames = take(workspace, folder)
    assert set(frames["patient_id"]) == {pseudonym(pseudonym_key(workspace), "patient", "rad-chestct 5")}
    assert set(frames["age_years"]) == {90.0}


def test_an_npz_without_a_table_is_quarantined(workspace, tmp_path):
    write_rad_chestct(tmp_path / "RAD", "trn00001", 0)
    assert len(take(workspace, tmp_path / "RAD")) == 0
    (item,) = quarantine_of(workspace)
    assert "spacing_mm and orientation in cases.csv" in item["reason"]


# --- both


@pytest.mark.parametrize("slices", [5, 2000])
def test_few_slices_and_many_go_through(workspace, tmp_path, slices):
    folder = tmp_path / "CT-RATE"
    expected = write_ct_rate(folder, "valid_1_a_1", 0, shape=(slices, 6, 5))
    ct_rate(workspace, folder, **tables(folder, ["valid_1_a_1"]))
    take(workspace, folder)
    _, prepared = volumes_of(workspace, place_of("valid_1_a_1"))
    np.testing.assert_array_equal(prepared.voxels_hu, expected)
    other = a_workspace(tmp_path / "rad")
    other.params.write_text(workspace.params.read_text())
    voxels = write_rad_chestct(tmp_path / "RAD", "trn00001", 1, shape=(slices, 6, 5))
    rad_chestct(other, tmp_path / "RAD", labels=[rad_chestct_labels(tmp_path / "RAD", {"trn00001": ()})])
    take(other, tmp_path / "RAD")
    np.testing.assert_array_equal(volumes_of(other, "trn00001.npz")[1].voxels_hu, voxels[::-1])


def test_the_verbs_print_for_a_person_and_for_a_machine(workspace, source, monkeypatch):
    monkeypatch.chdir(workspace.root)
    labels, metadata = ct_rate_tables(source, NAMES)
    words = ["cases-table", "ct-rate", str(source), "--labels", str(labels), "--metadata", str(metadata)]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    assert "4 scans, 2 patients, 0 without labels" in said.output
    assert f"Next: ctloop add --source {source}" in said.output
    facts = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (facts["scans"], facts["patients"], facts["left_out"], facts["unknown"]) == (4, 2, {}, ["gold"])
    folder = source.parent / "RAD"
    write_rad_chestct(folder, "trn00001", 0)
    labels, out = rad_chestct_labels(folder, RAD), source.parent / "rad.csv"
    words = ["cases-table", "rad-chestct", str(folder), "--labels", str(labels), "--out", str(out), "--json"]
    facts = json.loads(CliRunner().invoke(app, words).stdout)
    assert facts["left_out"]["in the labels, without a file"] == {"scans": 1, "first": ["tst00002"]}
    assert out.exists()
    assert not (folder / "cases.csv").exists()


def test_the_same_table_may_be_written_again_and_another_is_kept(workspace, source):
    given = tables(source)
    ct_rate(workspace, source, **given)
    ct_rate(workspace, source, **given)
    (source / "cases.csv").write_text("path,patient\nvalid,by hand\n")
    with pytest.raises(StateError, match="--out FILE"):
        ct_rate(workspace, source, **given)
    assert "by hand" in (source / "cases.csv").read_text()


def test_a_place_that_cannot_be_written_is_named(workspace, source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--out FILE"):
        ct_rate(workspace, source, **tables(source), out=tmp_path / "file" / "cases.csv")


@pytest.mark.parametrize("fault", ["gone", "folder", "binary"])
@pytest.mark.parametrize("kind", ["labels", "metadata"])
def test_a_table_that_cannot_be_read_is_named(workspace, source, tmp_path, kind, fault):
    given = tables(source)
    (path,) = given[kind]
    path.unlink()
    if fault == "folder":
        path.mkdir()
    elif fault == "binary":
        path.write_bytes(b"\xff\xfe\x00V\x00o\x00l")
    with pytest.raises(InputError, match=r"a readable table in UTF-8"):
        ct_rate(workspace, source, **given)


def test_a_source_with_no_scan_of_the_data_set_is_refused(workspace, source, tmp_path):
    folder = tmp_path / "RAD"
    write_rad_chestct(folder, "scan", 0)
    with pytest.raises(InputError, match="none among 1 scan files; 2 in the labels, without a file"):
        rad_chestct(workspace, folder, labels=[rad_chestct_labels(folder, RAD)])
    with pytest.raises(InputError, match="a folder of scans"):
        ct_rate(workspace, tmp_path / "nowhere", **tables(source))
    assert not (folder / "cases.csv").exists()
