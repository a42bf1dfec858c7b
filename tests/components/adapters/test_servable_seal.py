"""A served model that was changed is refused before any of its code runs, whatever was changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from components.adapters.mlflow_quiet import without_advice
from components.adapters.mlflow_registry import MlflowRegistry
from components.adapters.servable_seal import SEAL, SERVABLE_TAG, seal, servable_hash, verify_servable
from components.errors import StateError
from tests.components.registry.packages import make_package

NAME = "ctloop-segmentation"
KINDS = (
    "artifacts/package/weights.safetensors",
    "artifacts/package/model.json",
    "artifacts/package/calibration.json",
    "artifacts/package/reference.parquet",
    "artifacts/package/lineage/lineage.json",
    "artifacts/package/lineage/dvc.lock",
    "pyfunc_model.py",
    "requirements.txt",
)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with one version, and the folder of its model in the artifact store."""
    root = tmp_path_factory.mktemp("registered")
    package, digest = make_package(root)
    uri = f"sqlite:///{root / 'mlflow.db'}"
    registry = MlflowRegistry(uri=uri, artifacts=root / "artifacts")
    version = registry.register(NAME, package, package_hash=digest, tags={})
    (model,) = (root / "artifacts").rglob("MLmodel")
    assert version.tags[SERVABLE_TAG] == servable_hash(model.parent)
    return model.parent, uri


@pytest.fixture
def model(registered: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the model, as MLflow fetches ``models:/NAME/1``."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registered[1])
    monkeypatch.delenv("CTLOOP_SERVABLE_HASH", raising=False)
    shutil.copytree(registered[0], tmp_path / "model")
    (tmp_path / "model" / "registered_model_meta").write_text(
        yaml.safe_dump({"model_name": NAME, "model_version": "1"})
    )
    return tmp_path / "model"


def test_a_model_as_it_was_registered_is_taken(model: Path) -> None:
    verify_servable(model)
    registered = servable_hash(model)
    (model / "__pycache__").mkdir()
    (model / "__pycache__" / "pyfunc_model.cpython-312.pyc").write_bytes(b"compiled")
    verify_servable(model)
    assert servable_hash(model) == registered


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_is_sealed(model: Path, name: str) -> None:
    path = model / name
    assert path.is_file()
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(StateError, match="a file was changed"):
        verify_servable(model)


def test_a_file_that_was_added_or_lost_shows(model: Path) -> None:
    (model / "artifacts" / "package" / "more.py").write_text("import os\n")
    with pytest.raises(StateError, match="added"):
        verify_servable(model)
    (model / "artifacts" / "package" / "more.py").unlink()
    (model / "artifacts" / "package" / "calibration.json").unlink()
    with pytest.raises(StateError, match="lost"):
        verify_servable(model)


def test_a_seal_that_was_made_anew_is_not_that_of_the_registry(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "artifacts" / "package" / "calibration.json").write_text('{"thresholds": {}}')
    seal(model)
    with pytest.raises(StateError, match="a file was changed"):
        verify_servable(model)
    (model / "registered_model_meta").unlink()
    verify_servable(model)  # nobody vouches for a copy; a container states what it expects:
    monkeypatch.setenv("CTLOOP_SERVABLE_HASH", "0" * 64)
    with pytest.raises(StateError, match="hash 000000000000"):
        verify_servable(model)


def test_without_its_registry_a_registered_model_needs_the_stated_hash(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = servable_hash(model)
    (model / "registered_model_meta").write_text(
        yaml.safe_dump({"model_name": "another", "model_version": "7"})
    )
    with pytest.raises(StateError, match="CTLOOP_SERVABLE_HASH on a server without a registry"):
        verify_servable(model)
    monkeypatch.setenv("CTLOOP_SERVABLE_HASH", good)
    verify_servable(model)


@pytest.mark.parametrize("name", ["pyfunc_model.py", "artifacts/package/weights.safetensors"])
def test_mlflow_itself_refuses_it_and_runs_none_of_its_code(model: Path, tmp_path: Path, name: str) -> None:
    ran = tmp_path / "ran"
    code = model / "pyfunc_model.py"
    code.write_text(f"open({str(ran)!r}, 'w').close()\n" + code.read_text())
    seal(model)  # as one who knows the code would do
    if name != "pyfunc_model.py":
        shutil.copy(Path(__file__).parents[3] / "components" / "adapters" / "pyfunc_model.py", code)
        (model / name).write_bytes(b"forged")
    with without_advice():
        import mlflow.pyfunc
    with pytest.raises(StateError, match="a file was changed"):
        mlflow.pyfunc.load_model(str(model), suppress_warnings=True)
    assert not ran.exists()


def test_the_seal_is_in_the_models_own_description(model: Path) -> None:
    content = yaml.safe_load((model / "MLmodel").read_text())
    assert len(content["metadata"][SEAL]) == 64
    assert content["flavors"]["python_function"]["loader_module"] == "components.adapters.sealed_pyfunc"
