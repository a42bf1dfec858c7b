"""NIfTI files against nibabel."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.adapters.nifti_writer import write_nifti_labels, write_nifti_volume
from components.adapters.ras_affine import geometry_from_ras
from components.errors import InputError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

GEOMETRY = Geometry.axis_aligned((3, 4, 5), (3.0, 2.0, 1.5), (10.0, -20.0, 30.0))


def volume() -> Volume:
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5) * 20 - 600
    return Volume(voxels_hu=voxels, geometry=GEOMETRY)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_a_volume_comes_back_through_nibabel(tmp_path: Path, name: str) -> None:
    write_nifti_volume(tmp_path / "new" / name, volume())
    image = nibabel.load(tmp_path / "new" / name)
    array = np.asarray(image.dataobj)
    assert array.dtype == np.int16
    assert np.array_equal(array.T, volume().voxels_hu)
    assert geometry_from_ras(array.shape, image.affine).matches(GEOMETRY)
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-4)
    lps = np.array([10.0 + 2 * 1.5, -20.0 + 1 * 2.0, 30.0 + 1 * 3.0])
    assert np.allclose((image.affine @ [2, 1, 1, 1])[:3], lps * [-1, -1, 1])


def test_labels_come_back_as_uint8(tmp_path: Path) -> None:
    labels = (np.arange(60) % 8).astype(np.uint8).reshape(3, 4, 5)
    write_nifti_labels(tmp_path / "l.nii.gz", LabelMap(labels=labels, geometry=GEOMETRY, names={}))
    array = np.asarray(nibabel.load(tmp_path / "l.nii.gz").dataobj)
    assert array.dtype == np.uint8
    assert np.array_equal(array.T, labels)


def test_an_oblique_grid_keeps_its_place(tmp_path: Path) -> None:
    affine = GEOMETRY.affine.copy()
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    affine[:3, :3] = turn @ affine[:3, :3]
    oblique = Geometry(shape=(3, 4, 5), affine=affine)
    write_nifti_volume(tmp_path / "o.nii.gz", Volume(voxels_hu=volume().voxels_hu, geometry=oblique))
    assert geometry_from_ras((5, 4, 3), nibabel.load(tmp_path / "o.nii.gz").affine).matches(oblique)


def test_equal_content_gives_equal_bytes_and_no_rest(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti_volume(tmp_path / name, volume())
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nii"):
        write_nifti_volume(tmp_path / "a.mha", volume())
