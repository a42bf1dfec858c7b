"""A registered model answers as MLflow's own tools call it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from components.adapters.mlflow_registry import MlflowRegistry
from components.registry.package import assemble_package
from tests.components.registry.packages import write_parts
from tests.pipelines.judged_workspace import make_workspace


@pytest.mark.slow
def test_mlflow_models_predict_draws_a_label_map(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace", "segmentation", train=1, test=0, phases=1)
    parts = write_parts(tmp_path / "parts") | {"model": workspace.model("segmentation")}
    digest = assemble_package(tmp_path / "package", lineage={"training_patients": []}, **parts)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    registry = MlflowRegistry(uri=uri, artifacts=tmp_path / "artifacts")
    registry.register("ctloop-segmentation", tmp_path / "package", package_hash=digest, tags={})
    registry.set_alias("ctloop-segmentation", "champion", 1)

    affine = np.diag([-4.0, -4.0, 4.0, 1.0])
    scan = nibabel.Nifti1Image(
        np.random.default_rng(0).integers(-200, 400, size=(16, 18, 20)).astype(np.int16), affine
    )
    scan.set_sform(affine, code=1)
    nibabel.save(scan, tmp_path / "scan.nii.gz")
    asked = {"dataframe_split": {"columns": ["path"], "data": [[str(tmp_path / "scan.nii.gz")]]}}
    asked["params"] = {"output_dir": str(tmp_path / "out")}
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    command = ("models", "predict", "-m", "models:/ctloop-segmentation@champion", "--env-manager", "local")
    files = ("-i", str(tmp_path / "asked.json"), "-o", str(tmp_path / "answer.json"))
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(
        (sys.executable, "-m", "mlflow", *command, *files),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads((tmp_path / "answer.json").read_text())["predictions"][0]
    drawn = nibabel.load(answer["labels_path"])
    assert drawn.shape == (16, 18, 20)
    assert np.allclose(drawn.affine, affine)
    assert 0.0 <= answer["uncertainty"] <= 1.0
