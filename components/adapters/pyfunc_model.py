"""The code of every registered model (MLflow models-from-code): NIfTI or DICOM in, label maps or findings out.

``mlflow models predict -m models:/ctloop-segmentation@champion --env-manager local`` with a column ``path`` or
``content``; see ``components.adapters.served_columns``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd

from components.adapters.served_model import ServedModel


class PackagedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """What the environment allows to read and write is fixed when the model is loaded."""

    def load_context(self, context: Any) -> None:
        """Load the package."""
        self._served = ServedModel.of(Path(context.artifacts["package"]), os.environ)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """See ``ServedModel.answer``."""
        return self._served.answer(model_input, params or {})


mlflow.models.set_model(PackagedModel())
