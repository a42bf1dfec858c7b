"""Hashes that name content, and zips that cannot write where they should not."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from components.adapters.bundle_content import bundle_sha256, open_trusted, trusted_hash
from components.errors import StateError, TeacherError
from tests.components.adapters.public_bundles import zipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "inference.json").write_text("{}")
    (root / "configs-more.txt").write_text("sorts before or after configs/, by rule")
    (root / "model.pt").write_bytes(b"weights")
    return root


def trusted(bundle: Path, state: Path) -> tuple[Path, str]:
    return open_trusted(bundle, trusted_hash(bundle), state)


@pytest.mark.parametrize("inside", ["", "name-1.0/"])
def test_zip_and_folder_have_one_content_hash(folder: Path, tmp_path: Path, inside: str) -> None:
    packed = zipped(folder, tmp_path / "b.zip", inside=inside)
    unpacked, content = trusted(packed, tmp_path / "state")
    assert content == bundle_sha256(folder) == bundle_sha256(unpacked)
    assert unpacked == tmp_path / "state" / "bundles" / trusted_hash(packed)
    assert stat.S_IMODE(unpacked.stat().st_mode) == 0o700


def test_a_zip_is_unpacked_once(folder: Path, tmp_path: Path) -> None:
    packed = zipped(folder, tmp_path / "b.zip")
    first, _ = trusted(packed, tmp_path / "state")
    before = (first / "model.pt").stat().st_mtime_ns
    again, _ = trusted(packed, tmp_path / "state")
    assert (again / "model.pt").stat().st_mtime_ns == before


def test_an_unpacked_bundle_that_was_changed_is_unpacked_again(folder: Path, tmp_path: Path) -> None:
    packed = zipped(folder, tmp_path / "b.zip")
    unpacked, content = trusted(packed, tmp_path / "state")
    (unpacked / "model.pt").write_bytes(b"other weights")
    (unpacked / "more.py").write_text("")
    assert trusted(packed, tmp_path / "state") == (unpacked, content)
    assert (unpacked / "model.pt").read_bytes() == b"weights"
    assert not (unpacked / "more.py").exists()


def test_an_untrusted_zip_is_not_opened(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(b"no zip at all")
    with pytest.raises(TeacherError, match=trusted_hash(path)):
        open_trusted(path, bundle_sha256(folder), tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_trusted_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(b"no zip at all")
    with pytest.raises(TeacherError, match="a zip with a bundle's plain files"):
        trusted(path, tmp_path / "state")


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../outside.txt", "leads out"),
        ("configs/../../outside.txt", "leads out"),
        ("/outside.txt", "leads out"),
        ("..\\outside.txt", "leads out"),
        ("C:outside.txt", "leads out"),
        (link("models"), "a link or device"),
        ("MODEL.PT", "two files of one name"),
        ("model.pt/inside.txt", "a file and a folder of one name"),
    ],
    ids=str,
)
def test_unsafe_zips_write_nothing(
    folder: Path, tmp_path: Path, member: str | zipfile.ZipInfo, message: str
) -> None:
    packed = zipped(folder, tmp_path / "b.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(member, "/etc/passwd")
    bundles = tmp_path / "state" / "bundles"
    bundles.mkdir(parents=True)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(TeacherError, match=message):
        trusted(packed, tmp_path / "state")
    assert set(tmp_path.rglob("*")) == before


def test_a_folder_may_lie_below_a_cache(folder: Path, tmp_path: Path) -> None:
    below = tmp_path / "__pycache__" / "bundle"
    shutil.copytree(folder, below)
    assert bundle_sha256(below) == bundle_sha256(folder)


def test_a_zip_exchanged_between_hash_and_copy_is_not_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zipped(folder, tmp_path / "b.zip")
    sha256 = trusted_hash(packed)
    (folder / "model.pt").write_bytes(b"others")
    other = zipped(folder, tmp_path / "other.zip")
    copy = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: copy(other, target))
    with pytest.raises(TeacherError, match="changes while it is read"):
        open_trusted(packed, sha256, tmp_path / "state")
    assert list((tmp_path / "state" / "bundles").iterdir()) == []


def test_a_damaged_deflated_member_is_refused(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "b.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.pt", bytes(range(256)) * 99)
        start = archive.start_dir // 2
    content = bytearray(packed.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    packed.write_bytes(content)
    with pytest.raises(TeacherError, match="a zip with a bundle's plain files"):
        trusted(packed, tmp_path / "state")


def test_a_damaged_member_leaves_no_bundle(folder: Path, tmp_path: Path) -> None:
    packed = zipped(folder, tmp_path / "b.zip")
    content = packed.read_bytes()
    packed.write_bytes(content.replace(b"weights", b"weighty", 1))
    with pytest.raises(TeacherError, match="BadZipFile"):
        trusted(packed, tmp_path / "state")
    assert list((tmp_path / "state" / "bundles").iterdir()) == []


def test_what_is_missing_is_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(TeacherError, match=r"nothing named 'nowhere\.zip'"):
        open_trusted(tmp_path / "nowhere.zip", "", tmp_path)
    with pytest.raises(TeacherError, match="a bundle folder or zip"):
        open_trusted(folder / "model.pt", "", tmp_path)
    packed = zipped(folder, tmp_path / "b.zip")
    with pytest.raises(StateError, match="unpack"):
        open_trusted(packed, trusted_hash(packed), None)
