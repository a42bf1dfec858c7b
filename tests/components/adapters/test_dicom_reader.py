import numpy as np
import pydicom
import pytest

from components.cohort.scan import Rejected, ScannedFrame
from components.volume.geometry import Geometry
from tests.components.adapters import synthetic_dicom as dicom
from tests.components.adapters.reading import frames, read, reason


@pytest.mark.parametrize(
    ("whole", "damaged"),
    [
        (b"\x08\x00\x22\x00DA", b"\x08\x00\x22\x00D\x80"),  # NotImplementedError: no such VR
        (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00US\x01\x00"),  # a length no number has
    ],
)
def test_a_damaged_header_stops_nothing(tmp_path, whole, damaged):
    dicom.write_series(tmp_path / "good", series="1.1")
    dicom.write_series(tmp_path / "bad", series="1.2", zs=[0.0])
    victim = tmp_path / "bad" / "s000.dcm"
    content = victim.read_bytes()
    assert content.count(whole) == 1
    victim.write_bytes(content.replace(whole, damaged))
    rejected, frame = sorted(read(tmp_path), key=lambda item: isinstance(item, ScannedFrame))
    assert isinstance(rejected, Rejected)
    assert "DICOM header" in rejected.reason
    assert isinstance(frame, ScannedFrame)


def test_a_series_becomes_one_frame_in_hounsfield_units_and_lps(tmp_path):
    stored = dicom.write_series(tmp_path)
    (frame,) = frames(read(tmp_path))
    np.testing.assert_array_equal(frame.volume.voxels_hu, dicom.hounsfield(stored))
    expected = Geometry.axis_aligned((10, 12, 14), (2.0, 0.8, 0.7), (-10.0, -20.0, 0.0))
    assert frame.volume.geometry.matches(expected)
    assert frame.volume.geometry.orientation == "LPS"
    assert frame.phase_percent is None
    assert frame.acquisition.kernel == "B30"
    assert frame.acquisition.acquired_at == "2024-03-15"
    assert frame.acquisition.site == ""
    assert frame.files == 10


def test_identifiers_are_in_no_repr(tmp_path):
    dicom.write_series(tmp_path)
    shown = repr(read(tmp_path))
    for secret in ("MRN-4711", "Doe", "1950", "1.2.3.4", "General Hospital", str(tmp_path)):
        assert secret not in shown


def test_pydicom_quotes_no_identifier(tmp_path, recwarn, monkeypatch):
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    dicom.write_series(tmp_path, StudyInstanceUID="1.2.Doe", PatientID="MRN" * 30)
    recwarn.clear()
    frames(read(tmp_path))
    assert not recwarn.list


def test_a_date_that_does_not_exist_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    dicom.write_series(tmp_path, AcquisitionDate="20240231")
    assert frames(read(tmp_path))[0].acquisition.acquired_at == ""


@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")  # of writing them
@pytest.mark.parametrize(
    ("said", "sex", "age"),
    [
        ({"PatientSex": "F", "PatientAge": "045Y"}, "F", 45.0),
        ({"PatientSex": "m ", "PatientAge": "011M"}, "M", 11 / 12),
        ({"PatientSex": "O", "PatientAge": "009W"}, "O", 2 / 12),
        ({"PatientSex": "", "PatientAge": "012D"}, "", 0.0),
        ({"PatientAge": "101Y"}, "", 90.0),
        ({}, "", 74.0),  # born on 2 January 1950, scanned on 15 March 2024
        ({"AcquisitionDate": "20240101"}, "", 73.0),
        ({"PatientAge": ""}, "", 74.0),
        ({"PatientBirthDate": None}, "", None),
        ({"PatientSex": "female", "PatientAge": "old", "PatientBirthDate": "then"}, "", None),
        ({"PatientSex": ["F", "M"], "PatientAge": ["045Y", "046Y"], "PatientBirthDate": ""}, "", None),
        ({"PatientAge": "999Y", "PatientBirthDate": "20250101"}, "", None),
    ],
)
def test_sex_and_age_are_read_where_the_header_says_them_well(tmp_path, monkeypatch, said, sex, age):
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    dicom.write_series(tmp_path, **said)
    (frame,) = frames(read(tmp_path))
    assert frame.acquisition.sex == sex
    assert frame.acquisition.age_years == (age if age is None else pytest.approx(age))
    assert "1950" not in repr(vars(frame.acquisition))


@pytest.mark.parametrize("tag", [b"\x10\x00\x40\x00CS", b"\x10\x00\x10\x10AS"])
def test_a_damaged_sex_or_age_loses_no_scan(tmp_path, tag):
    dicom.write_series(tmp_path, PatientSex="F", PatientAge="045Y", PatientBirthDate=None)
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert content.count(tag) == 1
        file.write_bytes(content.replace(tag, tag[:4] + b"ZZ"))
    (frame,) = frames(read(tmp_path))
    assert "" in (frame.acquisition.sex, frame.acquisition.age_years or "")


def test_many_series_nested_anywhere_are_kept_apart(tmp_path):
    one = dicom.write_series(tmp_path, seed=1, series="1.1")
    two = dicom.write_series(tmp_path / "a" / "b", seed=2, series="1.2", ConvolutionKernel="B70")
    dicom.write_series(tmp_path / "a", seed=3, series="1.1", prefix="more", zs=np.arange(10, 14) * 2.0)
    found = {f.acquisition.kernel: f for f in frames(read(tmp_path))}
    assert found["B30"].volume.voxels_hu.shape[0] == 14
    np.testing.assert_array_equal(found["B30"].volume.voxels_hu[:10], dicom.hounsfield(one))
    np.testing.assert_array_equal(found["B70"].volume.voxels_hu, dicom.hounsfield(two))
    assert found["B30"].case_key != found["B70"].case_key
    assert found["B30"].patient_key == found["B70"].patient_key


def test_jpeg_2000_is_decoded(tmp_path):
    pytest.importorskip("openjpeg")
    stored = dicom.write_series(tmp_path, codec=dicom.JPEG2000, size=(64, 48))
    (frame,) = frames(read(tmp_path))
    np.testing.assert_array_equal(frame.volume.voxels_hu, dicom.hounsfield(stored))


def test_padding_becomes_air(tmp_path):
    stored = dicom.write_series(tmp_path, PixelPaddingValue=7)
    (frame,) = frames(read(tmp_path))
    expected = dicom.hounsfield(stored)
    expected[stored == 7] = -1024
    np.testing.assert_array_equal(frame.volume.voxels_hu, expected)


def test_a_coronal_series_keeps_its_place(tmp_path):
    ys = np.arange(10) * 3.0
    dicom.write_series(
        tmp_path,
        zs=ys,
        ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
        ImagePositionPatient=lambda i: [-10.0, float(ys[i]), 50.0],
    )
    (frame,) = frames(read(tmp_path))
    geometry = frame.volume.geometry
    assert geometry.spacing_mm == pytest.approx((3.0, 0.8, 0.7))
    np.testing.assert_allclose(np.linalg.det(geometry.affine[:3, :3][:, ::-1]), 3.0 * 0.8 * 0.7)
    np.testing.assert_allclose(geometry.affine[:3, 1], [0, 0, -0.8])


SHEAR = [1, 0, 0, 0, 0.9483237, -0.3173047]
FLAWS = [
    ({"GantryDetectorTilt": 12.0}, "gantry tilt of 12.0°"),
    ({"ImageOrientationPatient": SHEAR}, "sheared by 18.5°"),
    ({"zs": [0, 2, 4, 6, 10, 12, 14, 16]}, "missing slices: 1 in 1 gaps"),
    ({"zs": [0, 1, 2, 3, 7, 11, 18, 25]}, "mixed slice steps: 1, 4, 7 mm"),
    ({"zs": [0, 2, 4, 5, 7.2, 9, 11, 13]}, "mixed slice steps"),
    ({"zs": [0, 2, 4, 4, 6, 8, 10, 12]}, "duplicate positions: 1 of 8"),
    ({"sop": "1.2.3"}, "duplicate SOPInstanceUIDs: 10 of 10"),
    ({"SeriesInstanceUID": None}, "no SeriesInstanceUID"),
    ({"Modality": "MR"}, "not CT: modality MR"),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer: 10 images"),
    ({"zs": [0, 2, 4]}, "only 3 slices"),
    ({"SamplesPerPixel": 3}, "colour"),
    ({"NumberOfFrames": 3}, "multi-frame"),
    ({"ImagePositionPatient": None}, "no position"),
    ({"ImageOrientationPatient": [0] * 6}, "not orthonormal in 10 of 10"),
    ({"PixelSpacing": lambda i: [0.8, 0.7] if i else [0.9, 0.7]}, "different pixel spacings"),
    ({"ImageOrientationPatient": lambda i: [1, 0, 0, 0, 1, 0] if i else [0, 1, 0, 1, 0, 0]}, "orientations"),
    ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "not orthonormal in 10 of 10 slices"),
    ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "that are not orthonormal"),
    ({"ImageOrientationPatient": lambda i: [1, 0, 0, 0, 1 + (i == 3), 0]}, "not orthonormal in 1 of 10"),
    ({"PatientID": lambda i: "A" if i else "B"}, "several patients"),
    ({"RescaleIntercept": 0}, "expected fat or air below 0 HU"),
    ({"RescaleSlope": 1e-9}, "constant"),
    ({"RescaleSlope": 0}, "the constant -1024 HU"),
    ({"PixelData": b"\0\0"}, "unreadable or damaged"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("flaw", "words"), FLAWS, ids=[words for _, words in FLAWS])
def test_a_flawed_series_is_turned_away_with_its_reason(tmp_path, flaw, words):
    dicom.write_series(tmp_path, **flaw)
    told = reason(read(tmp_path))
    assert words in told
    assert "MRN" not in told
    assert "Doe" not in told


def test_a_scout_within_a_series_is_told_of_and_the_rest_is_read(tmp_path):
    dicom.write_series(tmp_path, series="1.1")
    dicom.write_series(
        tmp_path, series="1.1", prefix="scout", zs=[0.0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    scout, frame = read(tmp_path)
    assert "localizer: 1 images" in scout.reason
    assert frame.volume.voxels_hu.shape[0] == 10


def test_a_truncated_file_stops_nothing(tmp_path):
    dicom.write_series(tmp_path / "good", series="1.1")
    dicom.write_series(tmp_path / "bad", series="1.2", PatientID="B")
    victim = tmp_path / "bad" / "s004.dcm"
    victim.write_bytes(victim.read_bytes()[:-100])
    (tmp_path / "worse.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"garbage")
    (tmp_path / "not_dicom.dcm").write_bytes(b"hello")
    found = read(tmp_path)
    assert sum(isinstance(f, ScannedFrame) for f in found) == 1
    assert sum(isinstance(f, Rejected) for f in found) == 3


def phases_of(found):
    return sorted(f.phase_percent for f in frames(found))


def test_phases_by_nominal_percentage(tmp_path):
    for phase in (0, 40, 80):
        dicom.write_series(
            tmp_path, seed=phase, series="1.1", prefix=f"p{phase}", NominalPercentageOfCardiacPhase=phase
        )
    found = read(tmp_path)
    assert phases_of(found) == [0, 40, 80]
    assert len({f.case_key for f in found}) == 1
    assert len({f.source for f in found}) == 3


def test_phases_by_trigger_time_that_jitters(tmp_path):
    rng = np.random.default_rng(0)
    for number, trigger in enumerate((0, 200, 400, 600)):
        jitter = rng.integers(-20, 20, 10)
        dicom.write_series(
            tmp_path,
            seed=number,
            series="1.1",
            prefix=f"p{number}",
            TriggerTime=lambda i, t=trigger, j=jitter: float(max(0, t + j[i])),
            NominalInterval=800,
        )
    found = read(tmp_path)
    assert phases_of(found) == pytest.approx([0, 25, 50, 75], abs=2)


@pytest.mark.parametrize("stated", ["trigger", "nominal"])
def test_both_ends_of_the_cycle_are_read(tmp_path, stated):
    for percent in (0, 50, 100):
        said = {"TriggerTime": 10.0 * percent, "NominalInterval": 1000}
        if stated == "nominal":
            said = {"NominalPercentageOfCardiacPhase": percent}
        dicom.write_series(tmp_path, seed=percent, series="1.1", prefix=f"p{percent}", **said)
    assert phases_of(read(tmp_path)) == [0, 50, 100]


def test_a_series_over_two_heart_beats_is_turned_away_whole(tmp_path):
    for number in range(4):
        dicom.write_series(
            tmp_path,
            seed=number,
            series="1.1",
            prefix=f"p{number}",
            TriggerTime=500.0 * number,
            NominalInterval=1000,
        )
    (rejected,) = read(tmp_path)
    assert "one R-R interval" in rejected.reason
    assert rejected.files == 40


def test_phases_by_trigger_time_and_heart_rate_and_without_either(tmp_path):
    for number in range(4):
        dicom.write_series(
            tmp_path / "rate",
            series="1.1",
            prefix=f"p{number}",
            seed=number,
            TriggerTime=200.0 * number,
            HeartRate=60,
        )
        dicom.write_series(
            tmp_path / "bare",
            series="1.2",
            prefix=f"p{number}",
            seed=number + 9,
            TriggerTime=10 + 200.0 * number,
        )
    assert phases_of(read(tmp_path / "rate")) == [0, 20, 40, 60]
    assert phases_of(read(tmp_path / "bare")) == pytest.approx([1.25, 26.25, 51.25, 76.25])


def test_phases_by_temporal_position(tmp_path):
    for number in range(1, 6):
        dicom.write_series(
            tmp_path, series="1.1", prefix=f"p{number}", seed=number, TemporalPositionIdentifier=number
        )
    assert phases_of(read(tmp_path)) == [0, 20, 40, 60, 80]


def test_series_per_phase_are_one_case_and_other_kernels_another(tmp_path):
    for number, (kernel, phase) in enumerate([("B26", 30), ("B26", 70), ("B46", 30), ("B46", 70)]):
        dicom.write_series(
            tmp_path / str(number),
            seed=number,
            ConvolutionKernel=kernel,
            SeriesDescription=f"CorCTA {phase} %",
        )
    found = read(tmp_path)
    assert phases_of(found) == [30, 30, 70, 70]
    assert len({(f.case_key, f.acquisition.kernel) for f in found}) == len({f.case_key for f in found}) == 2


def test_unresolvable_repeats_are_refused_not_stacked(tmp_path):
    for number in range(2):
        dicom.write_series(tmp_path, series="1.1", prefix=f"p{number}", seed=number)
    assert "duplicate positions: 10 of 20" in reason(read(tmp_path))


def test_frames_that_are_done_are_passed_over(tmp_path):
    dicom.write_series(tmp_path / "a", series="1.1")
    dicom.write_series(tmp_path / "b", series="1.2")
    first, second = frames(read(tmp_path))
    (rest,) = read(tmp_path, done={(first.source, first.index)})
    assert rest.source == second.source
