import struct

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from components.adapters.readers import is_scan, read_label_map
from components.cohort.scan import StatedVoxels
from components.errors import InputError
from tests.components.adapters.reading import frames, read, reason
from tests.components.adapters.synthetic_dicom import write_series

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


@pytest.mark.parametrize("name", ["a.nii.gz", "a.NRRD", "a.npz", "IM0001", "1.2.840.113", "a.dcm", "x.mhd"])
def test_images_and_nameless_files_may_be_scans(name):
    assert is_scan(name)


# --- what a table states of the voxels

RAW = StatedVoxels(rescale_slope=2.0, rescale_intercept=-8192.0, spacing_mm=(1.5, 0.7, 0.8))


def test_a_stated_rescale_and_spacing_overrule_a_nifti(tmp_path):
    stored = ((ct().astype(np.int32) + 8192) // 2).astype(np.int16)
    nibabel.Nifti1Image(stored, AFFINE).to_filename(tmp_path / "a.nii.gz")
    (frame,) = frames(read(tmp_path, stated=RAW))
    np.testing.assert_array_equal(frame.volume.voxels_hu, stored.T.astype(np.int32) * 2 - 8192)
    (unstated,) = frames(read(tmp_path, stated=StatedVoxels(rescale_slope=2.0, rescale_intercept=-8192.0)))
    stated, own = frame.volume.geometry, unstated.volume.geometry
    np.testing.assert_allclose(stated.spacing_mm, (1.5, 0.7, 0.8))
    assert stated.orientation == own.orientation
    np.testing.assert_array_equal(stated.affine[:, 3], own.affine[:, 3])


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_a_stated_spacing_overrules_itk_formats_too(tmp_path, name):
    image = sitk.GetImageFromArray(ct())
    image.SetSpacing((9.0, 9.0, 9.0))
    sitk.WriteImage(image, str(tmp_path / name))
    (frame,) = frames(read(tmp_path, stated=StatedVoxels(spacing_mm=(1.5, 0.7, 0.8))))
    np.testing.assert_allclose(frame.volume.geometry.spacing_mm, (1.5, 0.7, 0.8))


def test_a_stated_orientation_serves_a_nifti_that_has_none(tmp_path):
    image = nibabel.Nifti1Image(ct(), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    image.header.set_zooms((0.5, 0.6, 2.0))
    image.to_filename(tmp_path / "a.nii")
    (frame,) = frames(read(tmp_path, stated=StatedVoxels(orientation="LPI")))
    assert frame.volume.geometry.orientation == "LPI"
    np.testing.assert_allclose(frame.volume.geometry.spacing_mm, (2.0, 0.6, 0.5), rtol=1e-6)


def test_a_label_map_has_the_stated_grid_of_its_scan(tmp_path):
    nibabel.Nifti1Image(ct(), AFFINE).to_filename(tmp_path / "a.nii.gz")
    stated = StatedVoxels(spacing_mm=(1.5, 0.7, 0.8))
    (frame,) = frames(read(tmp_path, stated=stated))
    drawn = np.zeros((9, 8, 7), np.uint8)
    drawn[2:5, 2:5, 2:5] = 1
    nibabel.Nifti1Image(drawn, AFFINE).to_filename(tmp_path / "l.nii.gz")
    label_map = read_label_map(tmp_path / "l.nii.gz", {1: "aorta"}, frame.volume, stated=stated)
    np.testing.assert_array_equal(label_map.labels, drawn.T)
    assert label_map.geometry.matches(frame.volume.geometry)
    with pytest.raises(InputError, match="grid"):
        read_label_map(tmp_path / "l.nii.gz", {1: "aorta"}, frame.volume)


@pytest.mark.parametrize(
    "stated",
    [RAW, StatedVoxels(spacing_mm=(1.0, 1.0, 1.0)), StatedVoxels(orientation="LPS")],
)
def test_dicom_states_its_own_voxels(tmp_path, stated):
    write_series(tmp_path / "series", seed=1)
    nibabel.Nifti1Image(ct(), AFFINE).to_filename(tmp_path / "a.nii.gz")
    found = read(tmp_path, stated=stated)
    (refused,) = [item for item in found if "DICOM states its own" in getattr(item, "reason", "")]
    assert refused.files == len(list((tmp_path / "series").iterdir()))
    assert len(found) == 2
