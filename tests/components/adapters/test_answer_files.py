from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from components.adapters.answer_files import read_drawn_label_map, read_findings_table
from components.adapters.nifti_writer import write_nifti_labels
from components.cohort.structures import HEART_LABELS
from components.errors import InputError
from components.labeling.answer_check import AnswerCheck
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

# oblique on purpose: a heart is often reformatted
C, S = np.cos(0.3), np.sin(0.3)
AFFINE = np.array(
    [[0, -2 * S, 1.5 * C, -20], [0, 2 * C, 1.5 * S, 10], [3, 0, 0, 5], [0, 0, 0, 1]], dtype=float
)
NATIVE = Geometry(shape=(6, 9, 10), affine=AFFINE)
CHECK = AnswerCheck(names=HEART_LABELS, min_labelled_ml=0.01)


def a_heart() -> np.ndarray:
    labels = np.zeros(NATIVE.shape, dtype=np.uint8)
    labels[2:4, 2:5, 3:7] = 1
    labels[2:5, 6:8, 3:6] = 6
    return labels


def itk_image(
    labels: np.ndarray, *, start: tuple[int, int, int] = (0, 0, 0), vector: bool = False
) -> sitk.Image:
    """As a tool of the ITK family writes it: SimpleITK is the second library here."""
    image = sitk.GetImageFromArray(labels, isVector=vector)
    image.SetSpacing([float(step) for step in NATIVE.spacing_mm[::-1]])
    directions = NATIVE.affine[:3, [2, 1, 0]] / np.array(NATIVE.spacing_mm[::-1])
    image.SetDirection(directions.ravel().tolist())
    image.SetOrigin((NATIVE.affine @ [*start, 1])[:3].tolist())
    return image


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_what_itk_tools_write_is_read_on_our_grid(tmp_path: Path, ending: str, dtype: type) -> None:
    path = tmp_path / f"answer{ending}"
    sitk.WriteImage(itk_image(a_heart().astype(dtype)), str(path))
    drawn = read_drawn_label_map(path)
    assert drawn.geometry.matches(NATIVE)
    assert np.array_equal(CHECK.label_map(drawn, NATIVE).labels, a_heart())


def test_our_own_export_comes_back(tmp_path: Path) -> None:
    write_nifti_labels(tmp_path / "a.nii.gz", LabelMap(labels=a_heart(), geometry=NATIVE, names=HEART_LABELS))
    drawn = read_drawn_label_map(tmp_path / "a.nii.gz")
    assert drawn.labels.dtype == np.uint8
    assert np.array_equal(CHECK.label_map(drawn, NATIVE).labels, a_heart())


def test_a_file_turned_to_ras_axes_comes_back(tmp_path: Path) -> None:
    write_nifti_labels(tmp_path / "a.nii.gz", LabelMap(labels=a_heart(), geometry=NATIVE, names=HEART_LABELS))
    nibabel.save(nibabel.as_closest_canonical(nibabel.load(tmp_path / "a.nii.gz")), tmp_path / "b.nii.gz")
    drawn = read_drawn_label_map(tmp_path / "b.nii.gz")
    assert not drawn.geometry.matches(NATIVE)
    assert np.array_equal(CHECK.label_map(drawn, NATIVE).labels, a_heart())


def test_slicers_cropped_segmentation_is_renumbered_and_padded(tmp_path: Path) -> None:
    image = itk_image(
        np.where(a_heart() == 6, 1, a_heart() * 2)[2:5, 2:8, 3:7].astype(np.uint8), start=(2, 2, 3)
    )
    for key, value in {
        "Segmentation_ReferenceImageExtentOffset": "3 2 2",
        "Segment0_Name": "aorta",
        "Segment0_LabelValue": "1",
        "Segment0_Layer": "0",
        "Segment1_Name": "Left Ventricle",
        "Segment1_LabelValue": "2",
        "Segment1_Layer": "0",
    }.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(tmp_path / "answer.seg.nrrd"))
    drawn = read_drawn_label_map(tmp_path / "answer.seg.nrrd")
    assert drawn.cropped
    assert np.array_equal(CHECK.label_map(drawn, NATIVE).labels, a_heart())


@pytest.mark.parametrize("overlap", [False, True])
def test_slicers_layers_become_one_map_unless_they_overlap(tmp_path: Path, overlap: bool) -> None:
    layers = np.stack([a_heart() == 1, a_heart() == 6], axis=-1).astype(np.uint8)
    layers[3, 3, 4, 1] = overlap
    image = itk_image(layers, vector=True)
    for number, name in enumerate(("left_ventricle", "aorta")):
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", "1")
        image.SetMetaData(f"Segment{number}_Layer", str(number))
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    if overlap:
        with pytest.raises(InputError, match="'aorta' overlapping"):
            read_drawn_label_map(tmp_path / "a.seg.nrrd")
        return
    drawn = read_drawn_label_map(tmp_path / "a.seg.nrrd")
    assert np.array_equal(CHECK.label_map(drawn, NATIVE).labels, a_heart())


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.seg.nrrd", "a.mha"])
@pytest.mark.parametrize("content", [b"", b"not an image" * 50])
def test_damaged_files_are_refused_without_a_path(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_drawn_label_map(tmp_path / name)
    assert str(tmp_path) not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    write_nifti_labels(tmp_path / "a.nii.gz", LabelMap(labels=a_heart(), geometry=NATIVE, names=HEART_LABELS))
    whole = (tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="a readable gz file"):
        read_drawn_label_map(tmp_path / "a.nii.gz")


def test_a_header_that_promises_too_much_is_refused_before_reading(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((30000, 30000, 30000))
    (tmp_path / "a.nii").write_bytes(header.binaryblock + b"\0" * 4)
    with pytest.raises(InputError):
        read_drawn_label_map(tmp_path / "a.nii")


def test_other_files_and_other_dimensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file ending in"):
        read_drawn_label_map(tmp_path / "answer.png")
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3, 2), np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="one 3D label map"):
        read_drawn_label_map(tmp_path / "a.nii.gz")
    colour = np.zeros((3, 3, 3), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "rgb.nii.gz")
    drawn = read_drawn_label_map(tmp_path / "rgb.nii.gz")
    with pytest.raises(InputError, match="whole numbers"):
        CHECK.label_map(drawn, drawn.geometry)


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_tables_of_any_spreadsheet(tmp_path: Path, delimiter: str, start: str) -> None:
    (tmp_path / "f.csv").write_text(
        start + "case_id,emphysema, atelectasis\r\nchest-1,1,\r\n".replace(",", delimiter), encoding="utf-8"
    )
    columns, rows = read_findings_table(tmp_path / "f.csv")
    assert columns == ("case_id", "emphysema", "atelectasis")
    assert rows == ({"case_id": "chest-1", "emphysema": "1", "atelectasis": ""},)


def test_broken_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("case_id,emphysema\nchest-1,1,0\n")
    with pytest.raises(InputError, match="2 cells in line 2"):
        read_findings_table(tmp_path / "f.csv")
    (tmp_path / "f.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="readable csv"):
        read_findings_table(tmp_path / "f.csv")
    (tmp_path / "f.csv").write_text("")
    assert read_findings_table(tmp_path / "f.csv") == ((), ())


@pytest.mark.parametrize("cell", ["1" * 200_000, '"1'])
def test_a_table_that_no_reader_takes_is_refused(tmp_path: Path, cell: str) -> None:
    (tmp_path / "f.csv").write_text(f"case_id,emphysema\nc,{cell}\n")
    with pytest.raises(InputError, match=r"a readable csv file in f.csv"):
        read_findings_table(tmp_path / "f.csv")
