"""What a served model may read and write: files under stated folders, or content that comes with the request.

    CTLOOP_SERVE_ROOTS   folders that paths of requests must lie in, separated as in PATH; without it no path is read
    CTLOOP_SERVE_OUT     folder that label maps may be written to; without it they only go back with the answer
    CTLOOP_SERVE_MAX_MB  largest content of a request's row, unpacked; 1024 unless given

Symbolic links are followed before a path is compared, and whatever lies outside is refused alike, whether it exists
or not. Only NIfTI and DICOM are opened: headers of other formats may name further files.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.adapters.readers import can_be_opened, is_dicom, is_scan, read_source
from components.cohort.scan import Rejected, ScannedFrame
from components.errors import InputError, ParameterError

MIN_SLICES = 8  # as ingest's default: a frame with fewer voxels along an axis is turned away
_NIFTI = (".nii", ".nii.gz")
_MEGABYTE = 1_000_000
_GZIP = b"\x1f\x8b"  # RFC 1952, section 2.3.1
Scan = ScannedFrame | Rejected


@dataclass(frozen=True, kw_only=True)
class ScanDoor:
    """Args:
    roots: folders that may be read, resolved.
    out: folder that may be written to, resolved; ``None`` for none.
    max_bytes: of the content of one row, unpacked.
    """

    roots: tuple[Path, ...] = ()
    out: Path | None = None
    max_bytes: int = 1024 * _MEGABYTE

    @staticmethod
    def of(environment: Mapping[str, str]) -> ScanDoor:
        """Of the variables above; raises ``ParameterError`` for a size that is no number."""
        listed = [root for root in environment.get("CTLOOP_SERVE_ROOTS", "").split(os.pathsep) if root]
        out = environment.get("CTLOOP_SERVE_OUT")
        most = environment.get("CTLOOP_SERVE_MAX_MB", "1024")
        if not most.isdecimal():
            raise ParameterError(expected="CTLOOP_SERVE_MAX_MB in megabytes", got=repr(most), hint="1024")
        return ScanDoor(
            roots=tuple(Path(root).resolve() for root in listed),
            out=Path(out).resolve() if out else None,
            max_bytes=int(most) * _MEGABYTE,
        )

    def read_path(self, path: str) -> Iterator[Scan]:
        """The frames of a NIfTI file or of a folder of DICOM files (or of NIfTI files); ``InputError`` outside."""
        place = Path(path).resolve()
        if not any(place.is_relative_to(root) for root in self.roots):
            raise InputError(
                expected="a path in a folder that this server may read (CTLOOP_SERVE_ROOTS)",
                got="one outside",
                hint="such a path, or the file itself as `content`",
            )
        if place.is_dir():
            found = [file for file in sorted(place.rglob("*")) if file.is_file() and is_scan(file.name)]
            inside = [file for file in found if file.resolve().is_relative_to(place)]
            return _read(place, [file.relative_to(place).as_posix() for file in inside])
        return _read(place.parent, [place.name])

    @contextmanager
    def read_content(self, content: str) -> Iterator[Iterator[Scan]]:
        """The frames of a NIfTI or DICOM file, or of a ZIP of DICOM files, in base64; they live within the block."""
        data = self._decoded(content)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            if data.startswith(b"PK\x03\x04"):
                self._unpack(data, folder)
            else:
                scan = self._gunzipped(data) if data.startswith(_GZIP) else data
                (folder / f"scan{_suffix(scan)}").write_bytes(scan)
            yield _read(folder, sorted(file.name for file in folder.iterdir()))

    def out_folder(self, asked: str) -> Path | None:
        """Where label maps of a request are written; ``None`` for nowhere, ``InputError`` outside of ``out``."""
        if not asked:
            return None
        if self.out is None or not (folder := (self.out / asked).resolve()).is_relative_to(self.out):
            raise InputError(
                expected="an output_dir in the folder that this server may write to (CTLOOP_SERVE_OUT)",
                got="none that it may" if self.out is None else "one outside",
                hint="such a folder, or none: label maps then come with the answer",
            )
        return folder

    def _decoded(self, content: str) -> bytes:
        if len(content) * 3 // 4 > self.max_bytes:
            raise self._too_large()
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InputError(
                expected="content in base64", got=str(error), hint="`base64 -w0 FILE`"
            ) from error

    def _gunzipped(self, data: bytes) -> bytes:
        try:
            with gzip.open(io.BytesIO(data)) as opened:
                scan = opened.read(self.max_bytes + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(
                expected="a whole gzip file", got=type(error).__name__, hint="packing it again"
            ) from error
        if len(scan) > self.max_bytes:
            raise self._too_large()
        return scan

    def _unpack(self, data: bytes, folder: Path) -> None:
        """Members under names of ours; what a member claims to weigh is not believed."""
        left = self.max_bytes
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                members = [member for member in packed.infolist() if not member.is_dir()]
                for number, member in enumerate(members):
                    with packed.open(member) as opened:
                        content = opened.read(left + 1)
                    left -= len(content)
                    if left < 0:
                        raise self._too_large()
                    (folder / f"{number:06d}.dcm").write_bytes(content)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
            raise InputError(
                expected="a ZIP of DICOM files", got=type(error).__name__, hint="packing them again, without a password"
            ) from error  # fmt: skip

    def _too_large(self) -> InputError:
        return InputError(
            expected=f"at most {self.max_bytes // _MEGABYTE} MB a row",
            got="more",
            hint="a path, or a larger CTLOOP_SERVE_MAX_MB",
        )


def _read(root: Path, files: list[str]) -> Iterator[Scan]:
    known = [file for file in files if _is_known(root, file)]
    for _ in range(len(files) - len(known)):
        yield Rejected(source="", reason="neither NIfTI nor DICOM, or not readable")
    yield from read_source(root, known, min_slices=MIN_SLICES)


def _is_known(root: Path, file: str) -> bool:
    return can_be_opened(root / file) and (file.lower().endswith(_NIFTI) or is_dicom(root, file))


def _suffix(data: bytes) -> str:
    """By the mark of DICOM (PS3.10 section 7.1)."""
    return ".dcm" if data[128:132] == b"DICM" else ".nii"
