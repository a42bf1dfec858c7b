"""What a served model reads and writes, and what it refuses to."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.adapters.scan_door import Scan, ScanDoor
from components.cohort.scan import Rejected, ScannedFrame
from components.errors import InputError, ParameterError
from tests.components.adapters.synthetic_dicom import hounsfield, write_series


def write_scan(path: Path, *, phases: int = 0, seed: int = 0) -> np.ndarray:
    """A NIfTI file of (12, 10, 9) voxels along x, y, z; its array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (12, 10, 9, phases) if phases else (12, 10, 9)
    array = np.random.default_rng(seed).integers(-200, 400, size=shape).astype(np.int16)
    image = nibabel.Nifti1Image(array, np.diag([-4.0, -4.0, 4.0, 1.0]))
    image.set_sform(image.affine, code=1)
    nibabel.save(image, path)
    return array


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def zipped(folder: Path) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"../../{path.name}")
    return base64.b64encode(packed.getvalue()).decode()


def frames(scans: list[Scan]) -> list[ScannedFrame]:
    assert all(isinstance(scan, ScannedFrame) for scan in scans), scans
    return [scan for scan in scans if isinstance(scan, ScannedFrame)]


def from_content(content: str, door: ScanDoor | None = None) -> list[Scan]:
    with (door or ScanDoor()).read_content(content) as scans:
        return list(scans)


def test_a_nifti_file_is_read_by_path_and_by_content(tmp_path: Path) -> None:
    array = write_scan(tmp_path / "in" / "scan.nii.gz")
    door = ScanDoor(roots=(tmp_path / "in",))
    for scans in (
        list(door.read_path(str(tmp_path / "in" / "scan.nii.gz"))),
        from_content(encoded(tmp_path / "in" / "scan.nii.gz")),
    ):
        (frame,) = frames(scans)
        assert np.array_equal(frame.volume.voxels_hu, array.T)


def test_a_plain_nifti_is_told_from_a_packed_one(tmp_path: Path) -> None:
    array = write_scan(tmp_path / "scan.nii", phases=2)
    found = frames(from_content(encoded(tmp_path / "scan.nii")))
    assert [frame.phase_percent for frame in found] == [0.0, 50.0]
    assert np.array_equal(found[1].volume.voxels_hu, array[..., 1].T)


def test_a_dicom_series_is_read_by_folder_and_as_a_zip_whose_names_lead_nowhere(tmp_path: Path) -> None:
    stored = write_series(tmp_path / "in" / "series")
    door = ScanDoor(roots=(tmp_path / "in",))
    for scans in (
        list(door.read_path(str(tmp_path / "in" / "series"))),
        from_content(zipped(tmp_path / "in" / "series")),
    ):
        (frame,) = frames(scans)
        assert np.array_equal(frame.volume.voxels_hu, hounsfield(stored))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_without_roots_no_path_is_read(tmp_path: Path) -> None:
    write_scan(tmp_path / "scan.nii.gz")
    with pytest.raises(InputError, match="CTLOOP_SERVE_ROOTS"):
        ScanDoor().read_path(str(tmp_path / "scan.nii.gz"))


def test_whatever_lies_outside_is_refused_alike(tmp_path: Path) -> None:
    write_scan(tmp_path / "secret" / "scan.nii.gz")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "way.nii.gz").symlink_to(tmp_path / "secret" / "scan.nii.gz")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "secret")
    door = ScanDoor(roots=(tmp_path / "in",))
    said = set()
    for path in ("../secret/scan.nii.gz", "way.nii.gz", "folder", "../secret/none.nii.gz", "../in2/x"):
        with pytest.raises(InputError, match="one outside") as refused:
            door.read_path(str(tmp_path / "in" / path))
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_link_inside_a_folder_leads_to_nothing(tmp_path: Path) -> None:
    write_scan(tmp_path / "secret" / "scan.nii.gz")
    (tmp_path / "in" / "case").mkdir(parents=True)
    (tmp_path / "in" / "case" / "way.nii.gz").symlink_to(tmp_path / "secret" / "scan.nii.gz")
    assert list(ScanDoor(roots=(tmp_path / "in",)).read_path(str(tmp_path / "in" / "case"))) == []


def test_headers_that_name_other_files_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "scan.mhd").write_text("ObjectType = Image\nNDims = 3\nElementDataFile = /etc/hostname\n")
    (scan,) = ScanDoor(roots=(tmp_path,)).read_path(str(tmp_path / "scan.mhd"))
    assert isinstance(scan, Rejected)
    assert "neither NIfTI nor DICOM" in scan.reason
    (scan,) = from_content(encoded(tmp_path / "scan.mhd"))
    assert isinstance(scan, Rejected)


def test_content_that_is_too_large_or_no_content_is_refused(tmp_path: Path) -> None:
    small = ScanDoor(max_bytes=2_000_000)
    (tmp_path / "bomb").mkdir()
    (tmp_path / "bomb" / "zeros.dcm").write_bytes(bytes(3_000_000))
    with pytest.raises(InputError, match="at most 2 MB a row"):
        from_content(zipped(tmp_path / "bomb"), small)
    with pytest.raises(InputError, match="at most 2 MB a row"):
        from_content("A" * 3_000_000, small)
    with pytest.raises(InputError, match="content in base64"):
        from_content("no base64!")
    with pytest.raises(InputError, match="a ZIP of DICOM files"):
        from_content(base64.b64encode(b"PK\x03\x04broken").decode())
    with pytest.raises(InputError, match="at most 2 MB a row"):
        from_content(base64.b64encode(gzip.compress(bytes(3_000_000))).decode(), small)


@pytest.mark.parametrize("at", [0.3, 0.6])
def test_packed_content_that_was_damaged_on_its_way_is_refused(at: float) -> None:
    noise = np.random.default_rng(0).bytes(4000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", noise.hex())
    for whole in (packed.getvalue(), gzip.compress(noise.hex().encode())):
        place = int(len(whole) * at)
        damaged = whole[:place] + b"\xff" * 64 + whole[place + 64 :]
        with pytest.raises(InputError, match=r"a ZIP of DICOM files|a whole gzip file"):
            from_content(base64.b64encode(damaged).decode())


def test_label_maps_go_only_where_they_may(tmp_path: Path) -> None:
    assert ScanDoor().out_folder("") is None
    with pytest.raises(InputError, match="none that it may"):
        ScanDoor().out_folder("anywhere")
    door = ScanDoor(out=tmp_path)
    assert door.out_folder("today") == tmp_path / "today"
    assert door.out_folder(str(tmp_path / "today")) == tmp_path / "today"
    for outside in ("..", "/etc", "today/../../elsewhere"):
        with pytest.raises(InputError, match="one outside"):
            door.out_folder(outside)


def test_the_environment_says_what_may_be_read(tmp_path: Path) -> None:
    assert ScanDoor.of({}) == ScanDoor()
    said = {
        "CTLOOP_SERVE_ROOTS": f"{tmp_path}/a:{tmp_path}/b",
        "CTLOOP_SERVE_OUT": f"{tmp_path}/out",
        "CTLOOP_SERVE_MAX_MB": "2",
    }
    door = ScanDoor.of(said)
    assert door.roots == (tmp_path / "a", tmp_path / "b")
    assert (door.out, door.max_bytes) == (tmp_path / "out", 2_000_000)
    with pytest.raises(ParameterError, match="megabytes"):
        ScanDoor.of({"CTLOOP_SERVE_MAX_MB": "much"})
