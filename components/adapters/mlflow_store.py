"""MLflow's database, whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from components.adapters.mlflow_quiet import quiet_mlflow
from components.errors import StateError

_SQLITE = "sqlite:///"


def sqlite_file(url: str) -> Path | None:
    """The file that a SQLite URL names; ``None`` for another database."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def ensure_store(uri: str) -> None:
    """Make the SQLite file of ``uri`` if it is missing; other stores are left to their servers.

    ``StateError`` when the store cannot be opened.

    MLflow builds its schema by some seventy migrations in seconds, and a process killed among them leaves a
    file that no later one can open. So they run on a file beside, which is linked into place when complete.
    """
    quiet_mlflow()
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # 7, the default, take four minutes
    path = sqlite_file(uri)
    if path is not None and not path.exists():
        _make(path)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise StateError(
            expected="an MLflow store that can be opened",
            got=str(error).splitlines()[0][:200],
            hint="checking CTLOOP_MLFLOW_URI and that the server runs, or restoring mlflow.db",
        ) from error


def _make(path: Path) -> None:
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    try:
        store = f"{_SQLITE}{unfinished}"
        client = MlflowClient(tracking_uri=store, registry_uri=store)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
