"""NPZ, as Rad-ChestCT publishes its scans: one array ``ct`` of HU, ``(slices, rows, columns)``, in a zip file.

Nothing is unpickled, and nothing is unpacked before the sizes that zip and array header declare agree, are those of
a CT and fit the size of the file; no more than that is unpacked then. (A few bytes can promise terabytes.)
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from components.adapters.image_frames import ImageFrames, check_size
from components.cohort.scan import StatedVoxels
from components.errors import InputError
from components.volume.stated_grid import oriented_grid

_MEMBER = "ct.npy"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy.savez and savez_compressed write
_HIGHEST_RATIO = 100  # of unpacked to packed; a CT in clipped HU has about 4
_CHUNK = 2**20
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError),  # of the archive
    *(ValueError, TypeError, SyntaxError, tokenize.TokenError),  # of the array's header
)


@dataclass(frozen=True, kw_only=True)
class _Header:
    """Of the array: shape (z, y, x), memory order, number type; and where its numbers begin."""

    shape: tuple[int, int, int]
    columns_first: bool
    dtype: np.dtype[Any]
    start: int


def open_npz(path: Path, stated: StatedVoxels) -> ImageFrames:
    """The one frame of an ``.npz`` file.

    Args:
        path: of the file.
        stated: spacing and orientation must be in it: the file has none.

    ``InputError`` without them, for a file that is no zip archive with one array ``ct`` of real numbers and three
    axes, and for sizes that cannot be.
    """
    if stated.spacing_mm is None or not stated.orientation:
        raise InputError(
            expected="spacing_mm and orientation in cases.csv, for an NPZ file states neither",
            got="no spacing_mm" if stated.spacing_mm is None else "no orientation",
            hint="these columns, e.g. `0.8 0.8 0.8` and `LPI`; for Rad-ChestCT `ctloop cases-table rad-chestct`",
        )
    with _array(path) as (member, stream):
        shape = _header(path, member, stream).shape
    return ImageFrames(
        geometry=oriented_grid(shape, stated.spacing_mm, stated.orientation),
        count=1,
        voxels=lambda _: _voxels(path),
    )


def _voxels(path: Path) -> npt.NDArray[Any]:
    with _array(path) as (member, stream):
        header = _header(path, member, stream)
        content = np.empty(member.file_size - header.start, dtype=np.uint8)
        for start in range(0, content.size, _CHUNK):
            piece = stream.read(min(_CHUNK, content.size - start))
            if len(piece) != min(_CHUNK, content.size - start):
                raise _refused("as many voxels as the file declares", "fewer")
            content[start : start + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
    flat = content.view(header.dtype)
    return flat.reshape(header.shape[::-1]).T if header.columns_first else flat.reshape(header.shape)


@contextmanager
def _array(path: Path) -> Iterator[tuple[zipfile.ZipInfo, IO[bytes]]]:
    """The archive's entry of the array, with a stream of its bytes; a library's error becomes ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename == _MEMBER]
            if len(members) != 1:
                raise _refused("one array named ct", f"{len(members)} of that name")
            with archive.open(members[0]) as stream:
                yield members[0], stream
    except _DAMAGE as error:
        raise _refused("an intact NPZ file", f"a damaged one ({type(error).__name__})") from error


def _header(path: Path, member: zipfile.ZipInfo, stream: IO[bytes]) -> _Header:
    """What the array says of itself, when it and the archive can be true."""
    if member.compress_type not in _METHODS or member.flag_bits & 0x1:
        raise _refused("what numpy.savez or savez_compressed writes", "another compression, or a password")
    packed = min(member.compress_size, path.stat().st_size)
    if member.file_size > _HIGHEST_RATIO * packed:
        raise _refused(
            f"at most {_HIGHEST_RATIO} times the packed size", f"{member.file_size} bytes of {packed}"
        )
    if npy.read_magic(stream) != (1, 0):  # a later version may announce a header of 4 GB
        raise _refused("format 1.0 of the array", "another version")
    shape, columns_first, dtype = npy.read_array_header_1_0(stream)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise _refused("integers or floats", str(dtype))
    if len(shape) != 3 or min(shape) < 1:
        raise _refused("three axes (slices, rows, columns)", f"the shape {shape}")
    check_size(shape)
    start = stream.tell()
    if member.file_size != start + math.prod(shape) * dtype.itemsize:
        raise _refused(
            f"{math.prod(shape) * dtype.itemsize} bytes for the shape {shape}", f"{member.file_size - start}"
        )
    return _Header(shape=shape, columns_first=columns_first, dtype=dtype, start=start)


def _refused(expected: str, got: str) -> InputError:
    return InputError(expected=expected, got=got, hint="downloading or exporting the file again")
