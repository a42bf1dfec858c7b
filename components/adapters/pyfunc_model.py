"""The code of every registered model (MLflow models-from-code): NIfTI or DICOM in, label maps or findings out.

``mlflow models predict -m models:/ctloop-segmentation@champion --env-manager local`` with a column ``path`` or
``content``; see ``components.adapters.served_columns``.
"""

from __future__ import annotations

import mlflow.models

from components.adapters.served_model import ServedModel

mlflow.models.set_model(ServedModel())
