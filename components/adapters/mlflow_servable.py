"""A package as an MLflow pyfunc model by models-from-code: no pickle, no guessing of requirements."""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

import yaml

from components.adapters.mlflow_quiet import quiet_mlflow, without_advice
from components.adapters.servable_seal import seal
from components.adapters.served_columns import ANSWERED, ASKED

# What ``pyfunc_model.py`` and the model package import when they are served.
_REQUIREMENTS = (
    "torch", "numpy", "scipy", "pandas", "safetensors", "nibabel", "pydicom", "pylibjpeg", "mlflow",
)  # fmt: skip


def save_servable(folder: Path, package: Path) -> None:
    """Write a sealed MLflow model that carries ``package`` under ``artifacts/package`` into the new ``folder``."""
    quiet_mlflow()
    with without_advice():
        from mlflow.pyfunc import save_model

        staged = folder.parent / "package"
        shutil.copytree(package, staged)  # MLflow takes the folder's name, and follows no links
        save_model(
            str(folder),
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"package": str(staged)},
            pip_requirements=[*map(_pinned, _REQUIREMENTS), "ctloop"],
            signature=_signature(),
        )
    shutil.rmtree(staged)
    _forget_local_paths(folder / "MLmodel")
    seal(folder)


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, ParamSchema, ParamSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec("string", name, required=False) for name in ASKED]),
        outputs=Schema([ColSpec(kind, name) for name, kind in ANSWERED.items()]),
        params=ParamSchema([ParamSpec("output_dir", "string", "")]),
    )


def _pinned(name: str) -> str:
    """``torch==2.13.0``: without a local version tag, which no index knows."""
    return f"{name}=={importlib.metadata.version(name).split('+')[0]}"


def _forget_local_paths(path: Path) -> None:
    """MLmodel records where the code and artifacts lay on this machine; the loader needs only the names."""
    content = yaml.safe_load(path.read_text())
    flavor = content["flavors"]["python_function"]
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    path.write_text(yaml.safe_dump(content, sort_keys=True))
