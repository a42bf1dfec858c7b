import pytest

from components.cohort.findings import CT_RATE_FINDINGS
from components.errors import InputError
from components.published.ct_rate import columns_of, ct_rate_cases

LABELS = "VolumeName,Medical material,Arterial wall calcification,Lung nodule\n"
METADATA = "VolumeName,Manufacturer,PatientSex,PatientAge,XYSpacing,RescaleIntercept,RescaleSlope,ZSpacing,StudyDate\n"
FILES = (
    "valid/valid_1/valid_1_a/valid_1_a_1.nii.gz",
    "valid/valid_1/valid_1_a/valid_1_a_2.nii.gz",
    "valid/valid_1/valid_1_b/valid_1_b_1.nii.gz",
    "train/train_20/train_20_a/train_20_a_1.nii.gz",
)
NAMES = tuple(file.rpartition("/")[2] for file in FILES)


def labels_csv(*rows):
    return LABELS + "".join(f"{row}\n" for row in rows or (f"{name},0,1," for name in NAMES))


def metadata_csv(**changes):
    """Sound rows of all scans, but for those in ``changes``: name without suffix → its cells, or ``None``."""
    sound = dict.fromkeys(NAMES, 'Philips,M,036Y,"[0.7, 0.8]",-1024,1,1.5,20210101')
    rows = sound | {f"{name}.nii.gz": cells for name, cells in changes.items()}
    return METADATA + "".join(f"{name},{cells}\n" for name, cells in rows.items() if cells is not None)


def cases(files=FILES, labels=None, metadata=None, findings=CT_RATE_FINDINGS, **options):
    return ct_rate_cases(
        files,
        findings,
        label_tables=[(labels or labels_csv()).splitlines(keepends=True)],
        metadata_tables=[(metadata or metadata_csv()).splitlines(keepends=True)],
        **options,
    )


def test_each_file_is_a_case_of_its_patient():
    found = cases()
    assert set(found.rows) == set(FILES)
    assert found.left_out == {}
    assert [found.rows[file]["patient"] for file in FILES] == ["valid_1", "valid_1", "valid_1", "train_20"]
    assert [found.rows[file]["case"] for file in FILES] == [n.removesuffix(".nii.gz") for n in NAMES]


def test_a_row_has_what_the_tables_say():
    assert cases().rows[FILES[0]] == {
        "patient": "valid_1", "case": "valid_1_a_1", "site": "ct-rate", "manufacturer": "Philips", "model": "",
        "kernel": "", "kvp": "", "slice_thickness_mm": "", "acquired_at": "2021-01-01", "sex": "M", "age": "36",
        "rescale_slope": "1.0", "rescale_intercept": "-1024.0", "spacing_mm": "1.5 0.7 0.8",
        "labelled_by": "CT-RATE: text classifier, from reports", "medical_material": "0",
        "arterial_wall_calcification": "1", "lung_nodule": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "options", "raw"),
    [
        ("valid/valid_1/valid_1_a/valid_1_a_1.nii.gz", {}, True),
        ("valid_fixed/valid_1/valid_1_a/valid_1_a_1.nii.gz", {}, False),
        ("valid_1/valid_1_a/valid_1_a_1.nii.gz", {"within": "/data/dataset/valid_fixed"}, False),
        ("valid_1/valid_1_a/valid_1_a_1.nii.gz", {"within": "/data/dataset/valid"}, True),
        ("valid_1_a_1.nii", {"release": 2}, False),
        ("valid_fixed/valid_1_a_1.nii", {"release": 1}, True),
    ],
)
def test_only_the_first_release_is_rescaled(file, options, raw):
    (row,) = cases([file], **options).rows.values()
    assert ("rescale_slope" in row, "rescale_intercept" in row, "spacing_mm" in row) == (raw, raw, raw)


def test_the_second_release_needs_no_voxels_in_the_metadata():
    table = metadata_csv(valid_1_a_1="Philips,M,036Y,,,,,")
    assert set(cases(metadata=table, release=2).rows) == set(FILES)
    assert FILES[0] not in cases(metadata=table).rows


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (None, "a row in the metadata"),
        ('P,M,036Y,"[0.7, 0.8]",-1024,0,1.5,', "RescaleSlope"),
        ('P,M,036Y,"[0.7, 0.8]",-1024,,1.5,', "RescaleSlope"),
        ('P,M,036Y,"[0.7, 0.8]",nan,1,1.5,', "RescaleIntercept"),
        ('P,M,036Y,"[0.7, 0.8]",-1024,1,,', "ZSpacing"),
        ('P,M,036Y,"[0.7, 0.8]",-1024,1,-1.5,', "ZSpacing"),
        ('P,M,036Y,"[0.7, 0.8]",-1024,1,inf,', "ZSpacing"),
        ("P,M,036Y,0.7,-1024,1,1.5,", "XYSpacing"),
        ('P,M,036Y,"[0.7, 0]",-1024,1,1.5,', "XYSpacing"),
        ('P,M,036Y,"[0.7, 0.8, 1]",-1024,1,1.5,', "XYSpacing"),
        ("P,M", "a sound row in the metadata"),
    ],
)
def test_a_scan_whose_voxels_nobody_knows_is_left_out_alone(cells, words):
    found = cases(metadata=metadata_csv(valid_1_a_2=cells))
    assert set(found.rows) == set(FILES) - {FILES[1]}
    ((reason, names),) = found.left_out.items()
    assert words in reason
    assert names == ("valid_1_a_2",)


def test_unreadable_labels_leave_a_scan_out_and_missing_ones_leave_it_unknown():
    found = cases(labels=labels_csv(f"{NAMES[0]},0,yes,0", f"{NAMES[1]},1,1,0"))
    assert set(found.rows) == set(FILES) - {FILES[0]}
    assert "lung_nodule" not in found.rows[FILES[2]]
    assert found.rows[FILES[1]]["lung_nodule"] == "0"
    ((reason, names),) = found.left_out.items()
    assert "0, 1 or nothing" in reason
    assert names == ("valid_1_a_1",)


def test_a_volume_listed_twice_differently_is_left_out():
    found = cases(labels=labels_csv(f"{NAMES[0]},0,1,0", f"{NAMES[0]},1,1,0", f"{NAMES[1]},0,1,0"))
    assert FILES[0] not in found.rows
    assert FILES[1] in found.rows


def test_rows_without_files_and_files_of_another_name_are_told_apart():
    found = cases([FILES[0], "seg/valid_1_a_1_seg.nii.gz", "notes.nii.gz", "valid_1_a.nii.gz"])
    assert set(found.rows) == {FILES[0]}
    assert found.left_out == {"in the labels, without a file": ("train_20_a_1", "valid_1_a_2", "valid_1_b_1")}


def test_two_files_of_one_name_are_both_left_out():
    copy = FILES[0].replace("valid/", "valid_fixed/", 1)
    found = cases([*FILES, copy])
    assert set(found.rows) == set(FILES) - {FILES[0]}
    assert found.left_out == {"expected one file of a name, got 2": ("valid_1_a_1",)}


def test_findings_are_found_however_they_are_written():
    header = ("VolumeName", "Lung nodule", "Emphysema")
    assert columns_of(("lung_nodule", "EMPHYSEMA", "gold"), header) == {
        "lung_nodule": ("Lung nodule",),
        "EMPHYSEMA": ("Emphysema",),
    }
    assert set(cases(findings=("Lung_Nodule", "gold")).columns_of) == {"Lung_Nodule"}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"labels": "Name,Lung nodule\n"}, "a column VolumeName in the labels"),
        ({"labels": "VolumeName,Gold\n"}, "a column for one finding of params.yaml in the labels"),
        ({"metadata": "VolumeName,ZSpacing\n"}, "a column RescaleSlope in the metadata"),
    ],
)
def test_a_table_without_its_columns_is_refused(tables, words):
    with pytest.raises(InputError, match=words):
        cases(**tables)
