"""That a served model is byte for byte what was registered, found out before any of its code runs.

``MLmodel`` names ``components.adapters.sealed_pyfunc`` as the loader, and holds the hash of all other files. Whoever
can write the artifact store can write both. So the hash of all files, ``MLmodel`` included, is a tag of the registered
version too, in the registry's database: a model that is loaded as ``models:/NAME/VERSION`` must agree with it. Where a
server has no registry, in a container for example, ``CTLOOP_SERVABLE_HASH`` takes its place.

What MLflow does by itself before it calls a loader (it reads ``MLmodel``, and with ``--env-manager virtualenv`` it
installs the requirements) comes before this: serve with ``--env-manager local``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

import yaml

from components.errors import StateError

SEAL, SERVABLE_TAG, VARIABLE = "contents_sha256", "servable_hash", "CTLOOP_SERVABLE_HASH"
LOADER = "components.adapters.sealed_pyfunc"
_MODEL, _FETCHED_AS = "MLmodel", "registered_model_meta"  # MLflow writes the latter beside a fetched model


def seal(folder: Path) -> None:
    """Write loader and hash into ``MLmodel`` of a saved model."""
    path = folder / _MODEL
    content = yaml.safe_load(path.read_text())
    content["flavors"]["python_function"]["loader_module"] = LOADER
    content["metadata"] = {**(content.get("metadata") or {}), SEAL: _hash(folder, {_MODEL, _FETCHED_AS})}
    path.write_text(yaml.safe_dump(content, sort_keys=True))


def servable_hash(folder: Path) -> str:
    """sha256 over all files of a saved model: the sorted (relative path, sha256 of content)."""
    return _hash(folder, {_FETCHED_AS})


def verify_servable(folder: Path) -> None:
    """Raise ``StateError`` unless a saved model is whole, and, where that can be asked, what was registered."""
    model = yaml.safe_load((folder / _MODEL).read_text())
    _same(str((model.get("metadata") or {}).get(SEAL)), _hash(folder, {_MODEL, _FETCHED_AS}))
    expected = os.environ.get(VARIABLE) or _registered(folder)
    if expected is not None:
        _same(expected, servable_hash(folder))


def _registered(folder: Path) -> str | None:
    """The tag of the version that the folder was fetched as; ``None`` for one that no registry gave out."""
    path = folder / _FETCHED_AS
    if not path.is_file():
        return None
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    version = yaml.safe_load(path.read_text())
    name, number = str(version["model_name"]), str(version["model_version"])
    try:
        tags = MlflowClient().get_model_version(name, number).tags
    except MlflowException as error:
        raise StateError(
            expected=f"the registry of {name}/{number}, which knows its hash",
            got=str(error).splitlines()[0][:200],
            hint=f"MLFLOW_TRACKING_URI, or {VARIABLE} on a server without a registry",
        ) from error
    return str(tags.get(SERVABLE_TAG))


def _same(expected: str, got: str) -> None:
    if expected != got:
        raise StateError(
            expected=f"a served model with hash {expected[:12]}",
            got=f"{got[:12]}: a file was changed, added or lost",
            hint="restoring the artifact store from its backup, or registering the model again",
        )


def _hash(folder: Path, without: Collection[str]) -> str:
    total = hashlib.sha256()
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    for path in sorted((path for path in paths if str(path) not in without), key=Path.as_posix):
        if path.parts[0] == "__pycache__":
            continue  # Python may write there when it runs the model's code
        with (folder / path).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.as_posix()}\0{content}\n".encode())
    return total.hexdigest()
