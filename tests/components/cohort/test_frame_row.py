import numpy as np
import pandas as pd
import pytest

from components.cohort.cases_table import CaseRow
from components.cohort.frame_row import frame_row
from components.cohort.frames import validate_frames
from components.cohort.pseudonym import pseudonym
from components.cohort.scan import Acquisition, ScannedFrame
from components.errors import InputError
from components.volume.geometry import Geometry
from components.volume.volume import Volume

KEY = b"k" * 32


def a_frame(**changes):
    grid = Geometry.axis_aligned((2, 3, 4), (3.0, 2.0, 1.0))
    known = {
        "source": "Doe/a.nii", "patient_key": None, "case_key": "Doe/a.nii", "index": 0, "phase_percent": None,
        "volume": Volume(voxels_hu=np.arange(24, dtype=np.int16).reshape(2, 3, 4), geometry=grid),
        "acquisition": Acquisition(kernel="B30"),
    }  # fmt: skip
    return ScannedFrame(**{**known, **changes})


def row_of(frame, row=None, batch="one"):
    return frame_row(frame, row, batch=batch, key=KEY)


def test_a_row_fits_the_table_and_names_nobody():
    row = row_of(a_frame())
    validate_frames(pd.DataFrame([row]))
    assert "Doe" not in repr(row)
    assert (row["spacing_z_mm"], row["shape_x"], row["kernel"]) == (3.0, 4, "B30")


def test_an_unknown_patient_is_its_own_within_its_batch():
    one, two = row_of(a_frame()), row_of(a_frame(), batch="two")
    assert one["patient_id"] != two["patient_id"]
    assert one["case_id"] != two["case_id"]
    other = row_of(a_frame(case_key="b.nii", source="b.nii"))
    assert other["patient_id"] != one["patient_id"]


def test_a_dicom_patient_and_series_are_the_same_in_every_batch():
    frame = a_frame(patient_key="MRN-1", case_key="1.2.3")
    one, two = row_of(frame), row_of(frame, batch="two")
    assert one["patient_id"] == two["patient_id"] == pseudonym(KEY, "patient", "MRN-1")
    assert one["case_id"] == two["case_id"]


def test_the_table_and_the_file_speak_of_the_same_patient():
    named = row_of(a_frame(), CaseRow(line=2, path="Doe/a.nii", patient="MRN-1", case="c-7"))
    assert named["patient_id"] == row_of(a_frame(patient_key="MRN-1"))["patient_id"]
    assert named["case_id"] == pseudonym(KEY, "case", "MRN-1/c-7")


@pytest.mark.parametrize("case", ["MRN-1", "1.2.840.10008.5.1.4"])
def test_an_identifier_given_as_the_case_goes_no_further(case):
    row = row_of(a_frame(), CaseRow(line=2, path="Doe/a.nii", case=case, phases=(40.0,)))
    validate_frames(pd.DataFrame([row]))
    assert case not in repr(row)


def test_a_stated_case_is_its_patients_own():
    one, two, other = (
        row_of(a_frame(), CaseRow(line=2, path="Doe/a.nii", patient=patient, case=case))
        for patient, case in (("MRN-1", "c"), ("MRN-2", "c"), ("MRN-1", "d"))
    )
    assert len({one["case_id"], two["case_id"], other["case_id"]}) == 3
    assert one["patient_id"] == other["patient_id"]


def test_frames_of_one_named_case_are_one_patient_even_without_a_patient():
    rows = [
        row_of(
            a_frame(source=f"{i}.nii", case_key=f"{i}.nii"), CaseRow(line=i, path="x", case="c", phases=(i,))
        )
        for i in (10, 50)
    ]
    assert rows[0]["patient_id"] == rows[1]["patient_id"]
    assert rows[0]["case_id"] == rows[1]["case_id"]
    case = rows[0]["case_id"]
    assert [row["frame_id"] for row in rows] == [f"{case}__phase-010", f"{case}__phase-050"]


def test_stated_phases_go_by_index_and_must_suffice():
    row = CaseRow(line=4, path="x", case="c", phases=(5.0, 40.0))
    assert row_of(a_frame(index=1, phase_percent=50.0), row)["phase_percent"] == 40.0
    with pytest.raises(InputError, match="row 4, column 'phase'"):
        row_of(a_frame(index=2, phase_percent=90.0), row)


def test_the_table_overrules_sex_and_age_of_the_file_one_by_one():
    frame = a_frame(acquisition=Acquisition(sex="F", age_years=45.0))
    assert (row_of(frame)["sex"], row_of(frame)["age_years"]) == ("F", 45.0)
    stated = row_of(frame, CaseRow(line=2, path="Doe/a.nii", acquisition=Acquisition(age_years=61.0)))
    assert (stated["sex"], stated["age_years"]) == ("F", 61.0)
