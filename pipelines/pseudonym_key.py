"""The key of the pseudonyms: from the environment, else a file that only its owner can read."""

from __future__ import annotations

import os
import secrets

from components.errors import StateError
from pipelines.workspace import Workspace

_VARIABLE = "CTLOOP_PSEUDONYM_KEY"
_LEAST_CHARACTERS = 16


def pseudonym_key(workspace: Workspace, *, may_create: bool = True) -> bytes:
    """``CTLOOP_PSEUDONYM_KEY``, else the workspace's key file, which is made (mode 0600) when missing.

    ``StateError`` when the key is short, others can read its file, or there is none and ``may_create``
    is false: where batches have pseudonyms already, a new key would be a wrong one.
    """
    if stated := os.environ.get(_VARIABLE):
        return _long_enough(stated, _VARIABLE)
    path = workspace.pseudonym_key
    if not path.exists() and not may_create:
        raise StateError(
            expected="the key that this workspace's pseudonyms were made with",
            got="none on this machine",
            hint=f"{_VARIABLE}, or {path.name} from the machine that added the first batch",
        )
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _create(workspace)
    if path.stat().st_mode & 0o077:
        raise StateError(
            expected=f"{path.name} to be readable by its owner alone",
            got=f"mode {path.stat().st_mode & 0o777:04o}",
            hint=f"`chmod 600` on {path.name} in the state folder",
        )
    return _long_enough(path.read_text().strip(), path.name)


def _create(workspace: Workspace) -> None:
    """Complete or not at all, also when two processes come at once."""
    path = workspace.pseudonym_key
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass  # the other process was first: its key counts
    finally:
        unfinished.unlink()


def _long_enough(text: str, where: str) -> bytes:
    if len(text) < _LEAST_CHARACTERS:
        raise StateError(
            expected=f"a key of at least {_LEAST_CHARACTERS} characters in {where}",
            got=str(len(text)),
            hint="the key that this workspace's pseudonyms were made with",
        )
    return text.encode()
