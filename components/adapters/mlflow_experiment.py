"""Where runs go."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def experiment_id(client: Any, name: str, artifacts: Path) -> str:
    """The experiment of this name, made when missing, with its files below ``artifacts``.

    Without a folder of ours, MLflow would choose one by the current folder.
    """
    known = client.get_experiment_by_name(name)
    if known:
        return str(known.experiment_id)
    return str(client.create_experiment(name, artifact_location=f"{artifacts.resolve().as_uri()}/{name}"))
