"""A file that is replaced in one step: nobody ever reads half of it."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes | str, *, mode: int = 0o666, durable: bool = False) -> None:
    """Put ``content`` at ``path`` by way of an unfinished file beside it; folders are made as needed.

    Args:
        mode: permissions, less what the umask takes away.
        durable: wait until the disk holds it, so that it also survives a loss of power.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
