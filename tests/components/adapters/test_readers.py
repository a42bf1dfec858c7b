import struct

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

from components.adapters.readers import is_scan, read_label_map, read_source
from components.cohort.scan import Rejected, ScannedFrame
from components.errors import InputError
from components.volume.geometry import Geometry
from tests.components.adapters import synthetic_dicom as dicom


def read(root, **kwargs):
    files = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and is_scan(p.name))
    return list(read_source(root, files, **{"min_slices": 5, **kwargs}))


def frames(found):
    assert all(isinstance(item, ScannedFrame) for item in found), [getattr(i, "reason", i) for i in found]
    return found


def reason(found):
    assert len(found) == 1
    assert isinstance(found[0], Rejected)
    return found[0].reason


# --- DICOM


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


# --- NIfTI, NRRD, MetaImage


def ct(shape=(9, 8, 7), seed=0):
    return np.random.default_rng(seed).integers(-1000, 1500, shape).astype(np.int16)


AFFINE = np.array([[-0.9, 0, 0, 40.0], [0, 0, 1.1, -8.0], [0, 2.0, 0, 5.0], [0, 0, 0, 1]])


def test_nifti_lands_where_itk_puts_it(tmp_path):
    data = ct()
    nibabel.Nifti1Image(data, AFFINE).to_filename(tmp_path / "a.nii.gz")
    (frame,) = frames(read(tmp_path))
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(frame.volume.voxels_hu, sitk.GetArrayFromImage(image))
    geometry = frame.volume.geometry
    for index in [(0, 0, 0), (3, 1, 2), (6, 7, 8)]:
        ours = geometry.affine @ [*index, 1.0]
        np.testing.assert_allclose(
            ours[:3], image.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]]), atol=1e-4
        )


def test_the_fourth_nifti_axis_is_the_cardiac_cycle(tmp_path):
    data = ct((9, 8, 7, 5))
    nibabel.Nifti1Image(data, np.eye(4)).to_filename(tmp_path / "cine.nii.gz")
    found = frames(read(tmp_path))
    assert [f.phase_percent for f in found] == [0, 20, 40, 60, 80]
    for index, frame in enumerate(found):
        np.testing.assert_array_equal(frame.volume.voxels_hu, data[..., index].T)
    assert [f.files for f in found] == [1, 0, 0, 0, 0]


def test_scaled_and_wide_nifti_numbers_become_hounsfield_units(tmp_path):
    image = nibabel.Nifti1Image((ct() + 1000).astype(np.uint16), np.eye(4))
    image.header.set_slope_inter(1, -1000)
    image.to_filename(tmp_path / "scaled.nii")
    nibabel.Nifti1Image(ct().astype(np.int32), np.eye(4), dtype=np.int32).to_filename(
        tmp_path / "wide.nii.gz"
    )
    scaled, wide = frames(read(tmp_path))
    np.testing.assert_array_equal(scaled.volume.voxels_hu, ct().T)
    np.testing.assert_array_equal(wide.volume.voxels_hu, ct().T)


def with_nan():
    data = ct().astype(np.float32)
    data[0, 0, 0] = np.nan
    return data


RGB = np.zeros((9, 8, 7), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
BAD_NIFTI = [
    (with_nan(), "NaN"),
    (np.full((9, 8, 7), -5, np.int16), "the constant -5 HU"),
    (np.where(ct() > 0, 100_000, -5).astype(np.int32), "voxels in [-32768, 32767] HU"),
    (np.abs(ct()), "fat or air below 0 HU"),
    (ct((9, 8, 7, 2, 2)), "5 axes"),
    (ct((9, 8)), "2 axes"),
    (RGB, "colour"),
    (ct((9, 8, 2)), "only 2 × 8 × 9 voxels"),
]


@pytest.mark.parametrize(("data", "words"), BAD_NIFTI, ids=[words for _, words in BAD_NIFTI])
def test_an_unusable_nifti_is_turned_away_with_its_reason(tmp_path, data, words):
    nibabel.Nifti1Image(data, np.eye(4), dtype=data.dtype).to_filename(tmp_path / "a.nii.gz")
    assert words in reason(read(tmp_path))


def test_a_nifti_without_orientation_is_turned_away(tmp_path):
    image = nibabel.Nifti1Image(ct(), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    image.to_filename(tmp_path / "a.nii")
    assert "orientation" in reason(read(tmp_path))


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (108, struct.pack("<f", 1e25), "OverflowError"),  # voxels beyond any file
        (108, struct.pack("<f", np.nan), "ValueError"),
        (123, b"\x07", "KeyError"),  # a unit that the standard does not know
        (70, struct.pack("<h", 9999), "HeaderDataError"),  # a data type likewise
        (344, b"n+9", "ImageFileError"),
        (42, struct.pack("<h", 30_000), "OSError"),  # more voxels than the file has
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_nifti_header_is_turned_away(tmp_path, offset, value, words):
    nibabel.Nifti1Image(ct(), np.eye(4)).to_filename(tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[offset : offset + len(value)] = value
    (tmp_path / "a.nii").write_bytes(content)
    assert words in reason(read(tmp_path))


@pytest.mark.parametrize("name", ["a.nii", "a.nrrd"])
def test_a_header_that_promises_more_than_memory_holds_is_turned_away(tmp_path, name):
    nibabel.Nifti1Image(ct(), np.eye(4)).to_filename(tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[42:48] = struct.pack("<3h", 2000, 2000, 2000)
    nrrd = "NRRD0004\ntype: short\ndimension: 3\nsizes: 2000 2000 2000\nencoding: raw\nendian: little\n\n"
    (tmp_path / "a.nii").unlink()
    (tmp_path / name).write_bytes(content if name == "a.nii" else nrrd.encode())
    assert "at most 1073741824 voxels" in reason(read(tmp_path))


def test_damaged_images_are_turned_away_without_their_path(tmp_path):
    nibabel.Nifti1Image(ct((40, 40, 40)), np.eye(4)).to_filename(tmp_path / "Doe_Jane.nii.gz")
    whole = (tmp_path / "Doe_Jane.nii.gz").read_bytes()
    (tmp_path / "Doe_Jane.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "Doe_Jane2.nii").write_bytes(b"")
    (tmp_path / "Doe_Jane3.nrrd").write_bytes(b"NRRD0004\nnonsense")
    (tmp_path / "Doe_Jane4").write_bytes(b"what is this")
    found = read(tmp_path)
    assert len(found) == 4
    for item in found:
        assert "Doe" not in item.reason
        assert str(tmp_path) not in item.reason


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mhd"])
def test_itk_formats_keep_their_grid(tmp_path, name):
    image = sitk.GetImageFromArray(ct())
    image.SetSpacing((0.5, 0.75, 2.0))
    image.SetOrigin((1.0, 2.0, 3.0))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / name))
    (frame,) = frames(read(tmp_path))
    np.testing.assert_array_equal(frame.volume.voxels_hu, ct())
    for index in [(0, 0, 0), (3, 1, 2)]:
        there = image.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]])
        np.testing.assert_allclose((frame.volume.geometry.affine @ [*index, 1.0])[:3], there, atol=1e-9)


def test_a_4d_metaimage_is_a_cine_and_a_vector_image_is_refused(tmp_path):
    stack = [sitk.GetImageFromArray(ct(seed=i)) for i in range(4)]
    sitk.WriteImage(sitk.JoinSeries(stack), str(tmp_path / "cine.mha"))
    found = frames(read(tmp_path))
    assert [f.phase_percent for f in found] == [0, 25, 50, 75]
    np.testing.assert_array_equal(found[2].volume.voxels_hu, ct(seed=2))
    sitk.WriteImage(sitk.Compose(stack[:3]), str(tmp_path / "colour.nrrd"))
    assert any("components" in getattr(f, "reason", "") for f in read(tmp_path))


# --- label maps, other files


def test_a_label_map_must_lie_on_the_scan(tmp_path):
    nibabel.Nifti1Image(ct(), AFFINE).to_filename(tmp_path / "a.nii.gz")
    (frame,) = frames(read(tmp_path))
    drawn = np.random.default_rng(0).integers(0, 5, (9, 8, 7)).astype(np.uint8)
    nibabel.Nifti1Image(drawn, AFFINE).to_filename(tmp_path / "l.nii.gz")
    label_map = read_label_map(tmp_path / "l.nii.gz", {1: "aorta", 4: "myocardium"}, frame.volume)
    np.testing.assert_array_equal(label_map.labels, np.where(np.isin(drawn, (1, 4)), drawn, 0).T)
    assert dict(label_map.names) == {1: "aorta", 4: "myocardium"}
    moved = AFFINE.copy()
    moved[0, 3] += 1
    nibabel.Nifti1Image(drawn, moved).to_filename(tmp_path / "moved.nii.gz")
    with pytest.raises(InputError, match="grid"):
        read_label_map(tmp_path / "moved.nii.gz", {1: "aorta"}, frame.volume)
    for name, wrong in (("ct", ct()), ("empty", 0 * drawn), ("shares", drawn / np.float32(8))):
        nibabel.Nifti1Image(wrong, AFFINE).to_filename(tmp_path / f"{name}.nii.gz")
        with pytest.raises(InputError, match="whole numbers from 0 up, some of them 1"):
            read_label_map(tmp_path / f"{name}.nii.gz", {1: "aorta"}, frame.volume)
    (tmp_path / "broken.nii.gz").write_bytes(b"x")
    with pytest.raises(InputError, match="usable label map"):
        read_label_map(tmp_path / "broken.nii.gz", {1: "aorta"}, frame.volume)


@pytest.mark.parametrize(
    "name", ["cases.csv", "LICENSE", "License.txt", "boxes.json", ".hidden", "DICOMDIR", "v.raw"]
)
def test_tables_texts_and_licences_are_no_scans(name):
    assert not is_scan(name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.NRRD", "IM0001", "1.2.840.113", "a.dcm", "x.mhd"])
def test_images_and_nameless_files_may_be_scans(name):
    assert is_scan(name)
