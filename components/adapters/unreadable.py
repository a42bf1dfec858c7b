"""Why a file could not be read, in words that name nobody."""

from __future__ import annotations

from components.errors import InputError


def reason_of(error: Exception) -> str:
    """Our own errors in full; of a library's only the kind, since its text may hold paths or identifiers."""
    if isinstance(error, InputError):
        return str(error)
    return f"unreadable or damaged ({type(error).__name__})"
