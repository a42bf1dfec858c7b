"""How MLflow loads a registered model: nothing of it runs before its hash is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.adapters.servable_seal import verify_servable


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> Any:
    """MLflow's contract for a ``loader_module``; raises ``StateError`` for a tampered model."""
    verify_servable(Path(path))
    from mlflow.pyfunc.model import _load_pyfunc as load

    return load(path, model_config)
