"""The code of every registered model (MLflow models-from-code): NIfTI files in, label maps or findings out.

``mlflow models predict -m models:/ctloop-segmentation@champion --env-manager local`` with a column ``path``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd


class PackagedModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """One row per input path: ``labels_path`` (segmentation), ``probabilities`` (JSON), ``uncertainty``."""

    def load_context(self, context: Any) -> None:
        """Load the package; late imports, because registering must not import torch."""
        from components.models.package import load_predictor

        self._predictor = load_predictor(Path(context.artifacts["package"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Label maps go to ``params["output_dir"]``, else beside their scans as ``NAME.labels.nii.gz``."""
        output = str((params or {}).get("output_dir") or "")
        return pd.DataFrame([self._row(Path(path), output) for path in model_input["path"]])

    def _row(self, path: Path, output_dir: str) -> dict[str, Any]:
        from components.adapters.nifti_reader import open_nifti
        from components.adapters.nifti_writer import write_nifti_labels
        from components.volume.hounsfield import to_hounsfield
        from components.volume.volume import Volume

        image = open_nifti(path)
        if image.count != 1:
            raise ValueError(f"expected one frame in {path.name}, got {image.count}, try one file per phase")
        volume = Volume(voxels_hu=to_hounsfield(image.voxels(0)), geometry=image.geometry)
        prediction = self._predictor.predict(volume)
        labels_path = ""
        if prediction.labels is not None:
            name = path.name.removesuffix(".gz").removesuffix(".nii")
            target = Path(output_dir or path.parent) / f"{name}.labels.nii.gz"
            write_nifti_labels(target, prediction.labels)
            labels_path = str(target)
        return {
            "path": str(path),
            "labels_path": labels_path,
            "probabilities": json.dumps(dict(prediction.probabilities), sort_keys=True),
            "uncertainty": float(prediction.uncertainty),
        }


mlflow.models.set_model(PackagedModel())
