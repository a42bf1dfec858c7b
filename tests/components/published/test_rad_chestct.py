import pytest

from components.cohort.findings import CT_RATE_FINDINGS
from components.errors import InputError
from components.published.rad_chestct import SHARED_FINDINGS, columns_of, rad_chestct_cases

FILES = ("trn00001.npz", "part/val00002.npz", "tst00003.npz")
FLAT = "NoteAcc_DEID,cardiomegaly,nodule,nodulegr1cm,clip,hardware,groundglass\n"


def cases(labels, files=FILES, findings=CT_RATE_FINDINGS, metadata=None):
    return rad_chestct_cases(
        files,
        findings,
        label_tables=[labels.splitlines(keepends=True)],
        metadata_tables=[metadata.splitlines(keepends=True)] if metadata else [],
    )


def test_sixteen_findings_are_shared():
    assert len(SHARED_FINDINGS) == 16
    assert set(CT_RATE_FINDINGS) - set(SHARED_FINDINGS) == {
        "mosaic_attenuation_pattern", "coronary_artery_wall_calcification",
    }  # fmt: skip
    assert set(SHARED_FINDINGS) <= set(CT_RATE_FINDINGS)


def test_flat_labels_become_findings():
    found = cases(FLAT + "trn00001,1,0,1,0,0,0\nval00002,0,0,0,0,1,1\ntst00003,,0,,0,0,0\n")
    taken = {
        file: [
            row[name] for name in ("cardiomegaly", "lung_nodule", "medical_material")
        ]
        for file, row in found.rows.items()
    }  # fmt: skip
    assert taken == {
        "trn00001.npz": ["1", "1", "0"],
        "part/val00002.npz": ["0", "0", "1"],
        "tst00003.npz": ["", "", "0"],
    }
    assert found.columns_of["lung_nodule"] == ("nodule", "nodulegr1cm")
    assert set(found.columns_of) == {"cardiomegaly", "lung_nodule", "medical_material"}


def test_places_are_joined_by_or():
    found = cases(
        "NoteAcc_DEID,nodule*lung,nodule*left_upper,nodulegr1cm*lung,cardiomegaly*heart\n"
        "trn00001,0,1,0,0\nval00002,0,0,0.0,1.0\ntst00003,0,,0,1\n"
    )
    assert [found.rows[file]["lung_nodule"] for file in FILES] == ["1", "0", ""]
    assert [found.rows[file]["cardiomegaly"] for file in FILES] == ["0", "1", "1"]


def test_an_abnormality_may_be_a_finding_by_its_own_name():
    header = ("NoteAcc_DEID", "groundglass*lung", "groundglass*left", "nodule*lung")
    assert columns_of(("groundglass", "gold"), header) == {
        "groundglass": ("groundglass*lung", "groundglass*left")
    }


def test_a_row_states_the_grid_and_no_patient_that_nobody_knows():
    row = cases(FLAT + "trn00001,1,0,0,0,0,0\n").rows["trn00001.npz"]
    assert (row["spacing_mm"], row["orientation"], row["case"]) == ("0.8 0.8 0.8", "LPI", "trn00001")
    assert row["site"] == "rad-chestct"
    assert "patient" not in row
    assert "rescale_slope" not in row


def test_the_metadata_says_whose_scan_it_is():
    metadata = (
        "NoteAcc_DEID,MRN_DEID,PatientSex,PatientAge,final_spacing\n"
        "trn00001,77,F,050Y,0.8\nval00002,77,F,052Y,0.75\ntst00003,,M,060Y,0.8\n"
    )
    labels = FLAT + "".join(f"{name},0,0,0,0,0,0\n" for name in ("trn00001", "val00002", "tst00003"))
    found = cases(labels, metadata=metadata)
    assert {row["patient"] for row in found.rows.values()} == {"rad-chestct 77"}
    assert found.rows["part/val00002.npz"]["spacing_mm"] == "0.75 0.75 0.75"
    assert found.rows["trn00001.npz"]["age"] == "50"
    assert found.left_out == {"expected a patient (MRN_DEID), got none": ("tst00003",)}


@pytest.mark.parametrize("spacing", ["", "0", "-0.8", "nan", "x", "[0.8, 0.8]"])
def test_a_spacing_that_is_none_leaves_the_scan_out(spacing):
    metadata = (
        f'NoteAcc_DEID,MRN_DEID,final_spacing\ntrn00001,1,"{spacing}"\nval00002,2,0.8\ntst00003,3,0.8\n'
    )
    found = cases(FLAT, metadata=metadata)
    assert set(found.rows) == set(FILES[1:])
    assert found.left_out == {"expected final_spacing in mm, got no such number": ("trn00001",)}


def test_other_files_and_rows_without_files_are_named():
    found = cases(
        FLAT + "trn00009,0,0,0,0,0,0\n", files=("trn00001.npz", "mask.npz", "trn1.npy", "xtrn1.npz")
    )
    assert set(found.rows) == {"trn00001.npz"}
    assert found.left_out == {"in the labels, without a file": ("trn00009",)}


@pytest.mark.parametrize(
    ("labels", "metadata", "words"),
    [
        ("Name,nodule\n", None, "a column NoteAcc_DEID in the labels"),
        ("NoteAcc_DEID,gold\n", None, "for one finding"),
        (FLAT, "NoteAcc_DEID,PatientSex\n", "a column MRN_DEID in the metadata"),
    ],
)
def test_a_table_without_its_columns_is_refused(labels, metadata, words):
    with pytest.raises(InputError, match=words):
        cases(labels, metadata=metadata)
