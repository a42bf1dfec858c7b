"""What a MONAI bundle consists of, byte for byte: its hash, and a safe way out of a zip.

A user trusts either form by one hash: of a folder, ``bundle_sha256``; of a zip, the sha256 of the zip file
itself, which is checked before anything inside is looked at. Both forms of one bundle have the same content
hash once open, and so the same teacher's fingerprint.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from components.adapters.whole_file import write_whole
from components.errors import StateError, TeacherError

_MOST_FILES, _MOST_BYTES = 10_000, 64 * 2**30
_UNWRITTEN = ("__pycache__", "__MACOSX")


def bundle_sha256(folder: Path) -> str:
    """sha256 over the relative path and the content of every file below ``folder``, caches left out.

    Raises ``TeacherError`` for a folder that is missing or holds links (their target could change).
    """
    return _combined({path.relative_to(folder).as_posix(): file_sha256(path) for path in _files(folder)})


def trusted_hash(bundle: Path) -> str:
    """What the user writes down to trust ``bundle``: of a zip its file's sha256, else ``bundle_sha256``."""
    return file_sha256(bundle).hex() if bundle.is_file() else bundle_sha256(bundle)


def file_sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def open_trusted(bundle: Path, trusted_sha256: str, state: Path | None) -> tuple[Path, str]:
    """The bundle's folder and its content hash, if it is the one that the user trusts.

    Args:
        bundle: a folder, or a zip whose files lie at its root or in one folder.
        trusted_sha256: ``trusted_hash(bundle)`` as the user wrote it into the parameters.
        state: a zip is unpacked below this folder, once, readable by the user alone.

    Raises ``TeacherError`` when the content is not the trusted one, or a zip that is unsafe to unpack.
    """
    if not bundle.exists():
        raise TeacherError(
            expected="a bundle folder or zip", got=f"nothing named {bundle.name!r}", hint="its path"
        )
    if bundle.is_file() and bundle.suffix.lower() != ".zip":
        raise TeacherError(expected="a bundle folder or zip", got=f"a file {bundle.name!r}", hint="its zip")
    actual = trusted_hash(bundle)
    if actual != trusted_sha256:
        raise TeacherError(
            expected=f"bundle content {trusted_sha256 or '(none trusted)'}",
            got=actual,
            hint="reading the bundle's files, then `trusted_sha256: " + actual + "` if you trust its code",
        )
    if bundle.is_dir():
        return bundle, actual
    if state is None:
        raise StateError(expected="a folder to unpack a zip into", got="none", hint="the bundle's folder")
    return _unpacked(bundle, actual, state / "bundles" / actual)


def _combined(content: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(content, key=lambda name: PurePosixPath(name).parts):
        encoded = name.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded + content[name])
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise TeacherError(expected="a bundle folder", got=f"no folder {folder.name!r}", hint="its path")
    paths = [p for p in sorted(folder.rglob("*")) if "__pycache__" not in p.relative_to(folder).parts]
    links = [path.name for path in paths if path.is_symlink()]
    if links:
        raise TeacherError(
            expected="plain files in the bundle", got=f"a link {links[0]!r}", hint="copying it"
        )
    return [path for path in paths if path.is_file()]


def _unpacked(bundle: Path, sha256: str, target: Path) -> tuple[Path, str]:
    """``target`` with the zip's files, and their content hash; what lies there changed is unpacked again."""
    record = target.with_name(f"{target.name}.content")
    if target.is_dir() and record.is_file() and bundle_sha256(target) == record.read_text():
        return target, record.read_text()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:  # of mode 0700
        copy, unfinished = Path(scratch) / "bundle.zip", Path(scratch) / "bundle"
        shutil.copyfile(bundle, copy)
        if file_sha256(copy).hex() != sha256:
            raise _unsafe("one that changes while it is read")
        try:
            with zipfile.ZipFile(copy) as opened:
                _unpack(opened, _members(opened), unfinished)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise _unsafe(f"{type(error).__name__}: {error}") from error
        content = bundle_sha256(unfinished)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(unfinished, target)
    write_whole(record, content)
    return target, content


def _members(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Path below the bundle's root → member; every name is checked before anything is written."""
    infos = [info for info in opened.infolist() if not info.is_dir()]
    if len(infos) > _MOST_FILES or sum(info.file_size for info in infos) > _MOST_BYTES:
        raise _unsafe("more files or bytes than any bundle has")
    names = [_safe_name(info) for info in infos]
    kept = {name: info for name, info in zip(names, infos, strict=True) if _is_content(name)}
    if len({name.casefold() for name in names}) != len(names):
        raise _unsafe("two files of one name")
    folders = {folder for name in names for folder in PurePosixPath(name.casefold()).parents}
    if folders & {PurePosixPath(name.casefold()) for name in names}:
        raise _unsafe("a file and a folder of one name")
    root = _root(kept)
    return {name.removeprefix(root): info for name, info in kept.items() if name.startswith(root)}


def _safe_name(info: zipfile.ZipInfo) -> str:
    name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
    parts = PurePosixPath(name).parts
    if kind not in (0, stat.S_IFREG):
        raise _unsafe(f"a link or device {name!r}")
    if not parts or name.startswith("/") or ".." in parts or set(name) & set("\\:\0"):
        raise _unsafe(f"a path {name!r} that leads out of it")
    return PurePosixPath(name).as_posix()


def _is_content(name: str) -> bool:
    return not set(PurePosixPath(name).parts) & set(_UNWRITTEN)


def _root(names: Iterable[str]) -> str:
    """``""``, or the one folder, with its slash, that holds everything."""
    first = {PurePosixPath(name).parts[0] for name in names}
    return f"{first.pop()}/" if len(first) == 1 and all("/" in name for name in names) else ""


def _unpack(opened: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], folder: Path) -> None:
    folder.mkdir(mode=0o700)
    for name, info in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(info) as member, path.open("xb") as file:
            shutil.copyfileobj(member, file)


def _unsafe(got: str) -> TeacherError:
    return TeacherError(
        expected="a zip with a bundle's plain files", got=got, hint="unpacking it by hand, with care"
    )
