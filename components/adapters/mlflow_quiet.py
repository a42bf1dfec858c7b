"""MLflow without telemetry, pickle, or chatter. Called before MLflow is first imported."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def quiet_mlflow() -> None:
    """Put the settings into this process's environment, where MLflow and its children look for them."""
    os.environ.update(_SETTINGS)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def without_advice() -> Iterator[None]:
    """MLflow advises on type hints and examples of every model that it sees, its own included."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*(type hint|input example)", category=UserWarning)
        yield
