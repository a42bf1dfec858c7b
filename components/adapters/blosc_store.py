"""One blosc2 file per frame: voxels in chunks of 96³ and blocks of 32³, the grid in its metadata.

Random crops read only the blocks they touch. Byte-shuffled LZ4HC unpacks int16 CT three times as fast as
zstd, for files that are a twentieth larger; labels are long runs, which blosclz unpacks fastest. The metadata
is one JSON text, so that nothing in the file can name code: blosc2 opens it in its safe mode, which rebuilds
no objects. A checksum of the voxels travels along, because blosc2 itself does not notice a flipped bit. Equal
input gives equal bytes.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import numpy.typing as npt

from components.errors import GeometryError, InputError, StateError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

_KEY = "ctloop"
_CHUNK, _BLOCK = 96, 32
_VOXELS = blosc2.CParams(
    codec=blosc2.Codec.LZ4HC, clevel=5, filters=[blosc2.Filter.SHUFFLE], filters_meta=[0], nthreads=1
)
_LABELS = blosc2.CParams(
    codec=blosc2.Codec.BLOSCLZ, clevel=5, filters=[blosc2.Filter.NOFILTER], filters_meta=[0], nthreads=1
)
_OPEN_FILES = 64  # kept per process, so that a crop need not read the file's index again
_READING = blosc2.DParams(nthreads=1)
_ONE_AT_A_TIME = (
    threading.RLock()
)  # a kept handle has one decompression context, and teachers work in threads


def save_volume(path: Path, volume: Volume) -> None:
    """Write ``volume`` to ``path`` atomically; its folder is made. ``StateError`` when there is no room."""
    _save(path, volume.voxels_hu, {"kind": "volume", "affine": volume.geometry.affine.tolist()})


def load_volume(path: Path) -> Volume:
    """Read a volume; ``InputError`` when the file is missing, damaged or something else."""
    voxels, meta = _load(path, "volume", np.dtype(np.int16))
    return Volume(voxels_hu=voxels, geometry=_geometry(voxels.shape, meta))


def save_label_map(path: Path, label_map: LabelMap) -> None:
    """Write ``label_map`` and its names to ``path`` atomically; its folder is made."""
    names = {str(value): label_map.names[value] for value in sorted(label_map.names)}
    meta = {"kind": "label_map", "affine": label_map.geometry.affine.tolist(), "names": names}
    _save(path, label_map.labels, meta)


def load_label_map(path: Path) -> LabelMap:
    """Read a label map; ``InputError`` when the file is missing, damaged or something else."""
    labels, meta = _load(path, "label_map", np.dtype(np.uint8))
    names = {int(value): str(name) for value, name in meta["names"].items()}
    return LabelMap(labels=labels, geometry=_geometry(labels.shape, meta), names=names)


def load_geometry(path: Path) -> Geometry:
    """The grid of a volume or label map, without reading its voxels."""
    with _reading(path):
        array = _open(path)
        return _geometry(array.shape, _meta(array))


def load_crop(path: Path, start: tuple[int, int, int], size: tuple[int, int, int]) -> npt.NDArray[Any]:
    """The voxels ``[start, start + size)`` along (z, y, x) of a volume (int16) or a label map (uint8).

    Reads only the blocks that the crop touches. ``GeometryError`` when the crop leaves the grid.
    """
    with _reading(path):
        stat = path.stat()
        array = _kept_open(path, threading.get_ident(), (stat.st_ino, stat.st_mtime_ns, stat.st_size))
        inside = all(
            a >= 0 and n > 0 and a + n <= limit for a, n, limit in zip(start, size, array.shape, strict=True)
        )
        if not inside:
            raise GeometryError(
                expected=f"a crop inside {array.shape}",
                got=f"start {start}, size {size}",
                hint="padding the volume or moving the crop",
            )
        window = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        return np.asarray(array[window])


def _save(path: Path, voxels: npt.NDArray[Any], meta: dict[str, Any]) -> None:
    with _ONE_AT_A_TIME:
        _write(path, voxels, meta)


def _write(path: Path, voxels: npt.NDArray[Any], meta: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.ascontiguousarray(voxels)
    meta["crc32"] = zlib.crc32(voxels.data)
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.tmp.b2nd")
    try:
        array = blosc2.asarray(
            voxels,
            urlpath=str(unfinished),
            mode="w",
            chunks=tuple(min(_CHUNK, n) for n in voxels.shape),
            blocks=tuple(min(_BLOCK, n) for n in voxels.shape),
            cparams=_LABELS if voxels.itemsize == 1 else _VOXELS,
            dparams=_READING,  # the file notes the number of threads: the bytes must not depend on the machine
        )
        array.schunk.vlmeta[_KEY] = json.dumps(meta, sort_keys=True)
        del array
        os.replace(unfinished, path)
    except RuntimeError as error:  # all that blosc2 says of a full disk
        raise StateError(
            expected=f"room to write {path.name}", got="a failed write", hint="freeing disk: `ctloop doctor`"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _load(path: Path, kind: str, dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    with _reading(path):
        array = _open(path)
        meta = _meta(array)
        if meta["kind"] != kind or array.dtype != dtype:
            raise InputError(
                expected=f"a {kind} of {dtype} in {path.name}",
                got=f"a {meta['kind']} of {array.dtype}",
                hint="the matching load function",
            )
        voxels = np.asarray(array[...])
        if zlib.crc32(voxels.data) != meta["crc32"]:
            raise ValueError("voxels that differ from their checksum")
        return voxels, meta


def _open(path: Path) -> Any:
    if not path.is_file():
        raise InputError(
            expected=f"the file {path.name}", got="nothing there", hint="running the stage that makes it"
        )
    return blosc2.open(str(path), mode="r", dparams=_READING, deserialize="safe")


@lru_cache(maxsize=_OPEN_FILES)
def _kept_open(path: Path, thread: int, stamp: tuple[int, int, int]) -> Any:
    """The open file: one per thread, since blosc2's are not shared, and another once it was replaced."""
    return _open(path)


def _meta(array: Any) -> dict[str, Any]:
    meta = json.loads(array.schunk.vlmeta[_KEY])
    if not isinstance(meta, dict):
        raise ValueError("metadata that is no mapping")
    return meta


def _geometry(shape: tuple[int, ...], meta: dict[str, Any]) -> Geometry:
    z, y, x = shape
    return Geometry(shape=(z, y, x), affine=np.array(meta["affine"], dtype=np.float64))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """blosc2 raises many kinds of error for a damaged file; each becomes one sentence."""
    try:
        with _ONE_AT_A_TIME:
            yield
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        said = str(error).replace(
            f"{path.parent}{os.sep}", ""
        )  # reasons are kept and shown: no path of a machine
        raise InputError(
            expected=f"an intact blosc2 frame in {path.name}",
            got=said.splitlines()[0] if said else type(error).__name__,
            hint="running the stage that makes it again, or `dvc checkout`",
        ) from error
