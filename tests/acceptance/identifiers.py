"""Look for identifiers in files of any kind, also where compression hides them from grep."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

from components.adapters.parquet import read_parquet


def files_with(pattern: re.Pattern[bytes], folder: Path, *, but: Sequence[str] = ()) -> list[str]:
    """The files under ``folder``, except those under the folders ``but``, with ``pattern`` in name or content."""
    left_out = tuple(folder / name for name in but)
    return [
        name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(path.is_relative_to(one) for one in left_out)
        if pattern.search((name := str(path.relative_to(folder))).encode() + b"\n" + _content(path))
    ]


def _content(path: Path) -> bytes:
    """A table as CSV, a compressed file as what it holds, all else (SQLite, logs, HTML) as it is."""
    raw = path.read_bytes()
    if raw.startswith(b"PAR1"):
        return read_parquet(path).to_csv().encode()
    return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
