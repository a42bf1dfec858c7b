"""The MLflow registry on SQLite, in temporary folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from components.adapters.mlflow_registry import MlflowRegistry
from components.adapters.mlflow_store import ensure_store
from components.errors import StateError
from tests.components.registry.packages import make_package

NAME = "ctloop-segmentation"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's schema, made once: its migrations take seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowRegistry(uri=f"sqlite:///{path}", artifacts=path.parent / "artifacts").versions(NAME)
    return path


@pytest.fixture
def registry(tmp_path: Path, empty_store: Path) -> MlflowRegistry:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return open_registry(tmp_path)


def open_registry(folder: Path) -> MlflowRegistry:
    return MlflowRegistry(uri=f"sqlite:///{folder / 'mlflow.db'}", artifacts=folder / "artifacts")


def test_an_empty_registry_answers(registry: MlflowRegistry) -> None:
    assert registry.versions(NAME) == ()
    assert registry.by_alias(NAME, "champion") is None
    registry.set_alias(NAME, "champion", None)


def test_register_is_idempotent_by_hash(registry: MlflowRegistry, tmp_path: Path) -> None:
    package, digest = make_package(tmp_path / "a")
    version = registry.register(NAME, package, package_hash=digest, tags={"git_commit": "abc"})
    again = open_registry(tmp_path).register(NAME, package, package_hash=digest, tags={"git_commit": "def"})
    assert again == version
    assert (version.version, version.package_hash, version.tags["git_commit"]) == (1, digest, "abc")
    other, second = make_package(tmp_path / "b", weights=b"other")
    assert registry.register(NAME, other, package_hash=second, tags={}).version == 2
    assert [found.version for found in registry.versions(NAME)] == [1, 2]


def test_aliases_move_and_are_read_back(registry: MlflowRegistry, tmp_path: Path) -> None:
    for place, weights in enumerate((b"one", b"two")):
        package, digest = make_package(tmp_path / str(place), weights=weights)
        registry.register(NAME, package, package_hash=digest, tags={})
    registry.set_alias(NAME, "champion", 1)
    registry.set_alias(NAME, "challenger", 2)
    registry.set_alias(NAME, "champion", 2)
    registry.set_alias(NAME, "previous", 1)
    fresh = open_registry(tmp_path)
    champion = fresh.by_alias(NAME, "champion")
    assert champion is not None
    assert champion.version == 2
    assert champion.aliases == ("challenger", "champion")
    assert fresh.versions(NAME)[0].aliases == ("previous",)
    registry.set_alias(NAME, "challenger", None)
    assert registry.by_alias(NAME, "challenger") is None
    with pytest.raises(StateError, match=r"registered version.* try one of 1, 2"):
        registry.set_alias(NAME, "champion", 7)
    with pytest.raises(StateError, match="try `ctloop register` first"):
        registry.set_alias("ctloop-classification", "champion", 1)


def test_fetch_gives_the_package_back(registry: MlflowRegistry, tmp_path: Path) -> None:
    package, digest = make_package(tmp_path / "a")
    version = registry.register(NAME, package, package_hash=digest, tags={})
    folder = registry.fetch(version)
    assert (folder / "weights.safetensors").read_bytes() == b"weights"
    assert (folder / "lineage" / "lineage.json").is_file()
    assert registry.fetch(version) == folder


def test_a_tampered_store_is_refused(registry: MlflowRegistry, tmp_path: Path) -> None:
    package, digest = make_package(tmp_path / "a")
    version = registry.register(NAME, package, package_hash=digest, tags={})
    stored = next((tmp_path / "artifacts").rglob("weights.safetensors"))
    stored.write_bytes(b"forged!")
    with pytest.raises(StateError, match="a package with hash"):
        registry.fetch(version)


def test_forged_lineage_is_refused(registry: MlflowRegistry, tmp_path: Path) -> None:
    package, digest = make_package(tmp_path / "a")
    version = registry.register(NAME, package, package_hash=digest, tags={})
    stored = next((tmp_path / "artifacts").rglob("lineage.json"))
    stored.write_text('{"training_patients": []}')
    with pytest.raises(StateError, match="lineage"):
        registry.fetch(version)


def test_a_tampered_cache_is_fetched_anew_and_a_lost_package_is_named(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    package, digest = make_package(tmp_path / "a")
    version = registry.register(NAME, package, package_hash=digest, tags={})
    folder = registry.fetch(version)
    (folder / "weights.safetensors").write_bytes(b"forged!")
    assert (registry.fetch(version) / "weights.safetensors").read_bytes() == b"weights"
    shutil.rmtree(folder)
    shutil.rmtree(tmp_path / "artifacts")
    with pytest.raises(StateError, match="artifact store"):
        registry.fetch(version)


def test_a_package_with_another_hash_is_not_registered(registry: MlflowRegistry, tmp_path: Path) -> None:
    package, _ = make_package(tmp_path / "a")
    with pytest.raises(StateError, match="a package with hash"):
        registry.register(NAME, package, package_hash="0" * 64, tags={})


def test_a_run_that_a_killed_process_left_is_taken_up(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, digest = make_package(tmp_path / "a")
    client = registry._client
    with monkeypatch.context() as patch:
        patch.setattr(client, "create_model_version", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.register(NAME, package, package_hash=digest, tags={})
    version = open_registry(tmp_path).register(NAME, package, package_hash=digest, tags={})
    runs = client.search_runs([client.get_run(version.run_id).info.experiment_id])
    assert [run.info.run_id for run in runs] == [version.run_id]


def test_a_run_that_was_cut_short_is_not_used(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, digest = make_package(tmp_path / "a")
    client = registry._client
    with monkeypatch.context() as patch:
        patch.setattr(client, "log_artifacts", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.register(NAME, package, package_hash=digest, tags={})
    version = registry.register(NAME, package, package_hash=digest, tags={})
    runs = client.search_runs([client.get_run(version.run_id).info.experiment_id])
    assert {run.info.run_id: run.info.status for run in runs}[version.run_id] == "FINISHED"
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED"]
    assert registry.fetch(version).is_dir()


def killed(*arguments: object, **named: object) -> None:
    raise KeyboardInterrupt


def test_the_run_carries_metrics_and_no_path_of_this_machine(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    package, digest = make_package(tmp_path / "a")
    version = registry.register(NAME, package, package_hash=digest, tags={"seed": "1"})
    run = registry._client.get_run(version.run_id)
    assert run.data.metrics["dice/mean/value"] == 0.8
    assert run.data.tags["seed"] == "1"
    path = next((tmp_path / "artifacts").rglob("MLmodel"))
    assert str(tmp_path) not in path.read_text()
    assert yaml.safe_load(path.read_text())["flavors"]["python_function"]["model_code_path"] == (
        "pyfunc_model.py"
    )
    requirements = (path.parent / "requirements.txt").read_text()
    assert "torch==" in requirements
    assert "+cpu" not in requirements


def test_the_store_is_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    before = (tmp_path / "mlflow.db").read_bytes()
    ensure_store(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert (tmp_path / "mlflow.db").read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.search_experiments", killed)
        with pytest.raises(KeyboardInterrupt):
            ensure_store(f"sqlite:///{tmp_path / 'other' / 'mlflow.db'}")
    assert list((tmp_path / "other").iterdir()) == []


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 500)
    with pytest.raises(StateError, match=r"an MLflow store that can be opened, got .*not a database"):
        open_registry(tmp_path).versions(NAME)
