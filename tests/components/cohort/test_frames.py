import pandas as pd
import pytest

from components.adapters.parquet import read_parquet
from components.cohort.frames import FRAME_COLUMNS, empty_frames, validate_frames
from components.errors import InputError


def a_row(**changes):
    row = {
        "frame_id": "c1__phase-040", "case_id": "c1", "patient_id": "p1", "batch": "one", "phase_percent": 40.0,
        "site": "", "manufacturer": "", "model": "", "kernel": "", "kvp": None, "slice_thickness_mm": None,
        "spacing_z_mm": 1, "spacing_y_mm": 1.0, "spacing_x_mm": 1.0, "shape_z": 4, "shape_y": 5, "shape_x": 6,
        "orientation": "RAS", "acquired_at": "", "sex": "", "age_years": None, "sha256": "0" * 64, "source": "s1",
    }  # fmt: skip
    return row | changes


def test_a_sound_table_gets_its_order_and_types():
    table = validate_frames(pd.DataFrame([dict(reversed(a_row().items()))]))
    assert list(table.columns) == list(FRAME_COLUMNS)
    assert table["kvp"].dtype == "float64"
    assert table["shape_z"].dtype == "int64"


def test_the_empty_table_is_sound_and_survives_parquet(tmp_path):
    validate_frames(empty_frames()).to_parquet(tmp_path / "f.parquet")
    assert len(validate_frames(read_parquet(tmp_path / "f.parquet"))) == 0


def test_further_columns_only_where_they_are_expected():
    table = pd.DataFrame([a_row(prepared_shape_z=3)])
    assert "prepared_shape_z" in validate_frames(table, extra=True)
    with pytest.raises(InputError):
        validate_frames(table)


BROKEN = [
    ({"frame_id": "c1"}, "frame_id = CASE"),
    ({"frame_id": "a b", "case_id": "a b", "phase_percent": None}, "frame_id"),
    ({"phase_percent": 101.0, "frame_id": "c1__phase-101"}, "phase_percent"),
    ({"spacing_z_mm": 0.0}, "spacing_z_mm"),
    ({"shape_x": 0}, "shape_x"),
    ({"orientation": "LLS"}, "orientation"),
    ({"orientation": "LP"}, "orientation"),
    ({"acquired_at": "20240101"}, "acquired_at"),
    ({"sex": "female"}, "sex"),
    ({"age_years": 91.0}, "age_years"),
    ({"sha256": "xyz"}, "sha256"),
    ({"patient_id": None}, "patient_id"),
]


@pytest.mark.parametrize(
    ("changes", "words"), BROKEN, ids=[words + str(i) for i, (_, words) in enumerate(BROKEN)]
)
def test_what_does_not_hold_is_named(changes, words):
    with pytest.raises(InputError, match=words):
        validate_frames(pd.DataFrame([a_row(**changes)]))


def test_frames_are_unique_and_a_case_has_one_patient():
    with pytest.raises(InputError, match="frame_id"):
        validate_frames(pd.DataFrame([a_row(), a_row()]))
    other = a_row(frame_id="c1__phase-050", phase_percent=50.0, patient_id="p2")
    with pytest.raises(InputError, match="one patient per case"):
        validate_frames(pd.DataFrame([a_row(), other]))
