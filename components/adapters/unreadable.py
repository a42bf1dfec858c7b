"""Why a file could not be read, in words that name nobody."""

from __future__ import annotations

import zlib

from components.errors import InputError


def reason_of(error: Exception) -> str:
    """Our own errors in full; of a library's only the kind, since its text may hold paths or identifiers."""
    if isinstance(error, InputError):
        return str(error)
    return f"unreadable or damaged ({type(error).__name__})"


def damage() -> tuple[type[Exception], ...]:
    """What a damaged NIfTI, NRRD or MetaImage file makes its library raise.

    SimpleITK knows ``RuntimeError`` alone. nibabel has two errors of its own and lets through those of the
    streams below it, ``KeyError`` for codes that the standard does not know, and ``OverflowError`` and
    ``MemoryError`` for sizes that no file has.
    """
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    of_nibabel = (ImageFileError, HeaderDataError, ValueError, KeyError, OverflowError, MemoryError)
    return (*of_nibabel, OSError, EOFError, zlib.error, RuntimeError)


def unusable() -> tuple[type[Exception], ...]:
    """Damage, or our own refusal."""
    return (InputError, *damage())
