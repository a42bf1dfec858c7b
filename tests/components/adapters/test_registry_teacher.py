"""A registered model teaches: resolved to a hash, verified, its structures mapped by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from components.adapters.mlflow_registry import MlflowRegistry
from components.adapters.registry_teacher import open_registered, resolve, with_hash
from components.errors import EmptyPrediction, ParameterError, StateError, TeacherError
from components.models.prediction import FramePrediction
from components.models.teacher_labels import TeacherLabels
from components.registry.registry import ModelVersion
from components.volume.volume import LabelMap, Volume
from tests.components.adapters.teacher_frames import flipped_frame
from tests.components.registry.packages import make_package

NAME = "ctloop-segmentation"
LABELS = TeacherLabels(
    to_structure={"heart": "whole_heart", "lung": "background"}, structures=("aorta", "whole_heart")
)
VERSION = ModelVersion(
    name=NAME, version=3, package_hash="a" * 64, run_id="r", aliases=(), tags={}, created_at="2026-01-01"
)


class Bright:
    """Calls what is above 0 HU a heart and what is below -500 HU a lung."""

    task, label_names, thresholds = "segmentation", ("lung", "heart"), {}
    above_hu = 0

    def predict(self, volume: Volume) -> FramePrediction:
        labels = np.where(volume.voxels_hu > self.above_hu, 2, 1).astype(np.uint8)
        drawn = LabelMap(labels=labels, geometry=volume.geometry, names={1: "lung", 2: "heart"})
        return FramePrediction(
            labels=drawn, probabilities={}, uncertainty=0.0, embedding=np.zeros(1, np.float32), outputs={}
        )


class NoMemory(Bright):
    def predict(self, volume: Volume) -> FramePrediction:
        raise RuntimeError("not enough memory: you tried to allocate 9 bytes\nmore")


class NothingThere(Bright):
    above_hu = 9999


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> MlflowRegistry:
    """Two versions, the first the champion."""
    root = tmp_path_factory.mktemp("registry")
    registry = MlflowRegistry(uri=f"sqlite:///{root / 'mlflow.db'}", artifacts=root / "artifacts")
    for place, weights in enumerate((b"one", b"two")):
        package, digest = make_package(root / str(place), weights=weights)
        registry.register(NAME, package, package_hash=digest, tags={})
    registry.set_alias(NAME, "champion", 1)
    return registry


def test_every_form_names_its_version(registered: MlflowRegistry) -> None:
    first, second = registered.versions(NAME)
    assert resolve(registered, f"models:/{NAME}@champion").version == 1
    assert resolve(registered, f"{NAME}@champion").package_hash == first.package_hash
    assert resolve(registered, f"models:/{NAME}/2").package_hash == second.package_hash
    assert resolve(registered, f"runs:/{second.run_id}/model").version == 2


def test_an_alias_that_moves_names_another_version_and_the_hash_does_not(
    registered: MlflowRegistry,
) -> None:
    pinned = resolve(registered, f"{NAME}@champion")
    registered.set_alias(NAME, "champion", 2)
    try:
        assert resolve(registered, f"{NAME}@champion").version == 2
        assert with_hash(registered, f"{NAME}@champion", pinned.package_hash).version == pinned.version
    finally:
        registered.set_alias(NAME, "champion", 1)


@pytest.mark.parametrize(
    "model", [f"{NAME}@nobody", f"models:/{NAME}/9", "models:/other/1", "runs:/" + "0" * 32]
)
def test_what_names_nothing_is_refused(registered: MlflowRegistry, model: str) -> None:
    with pytest.raises(StateError, match="nothing of this name"):
        resolve(registered, model)


def test_an_unknown_hash_is_refused(registered: MlflowRegistry) -> None:
    with pytest.raises(StateError, match="package hash bbbb"):
        with_hash(registered, f"{NAME}@champion", "b" * 64)


def test_a_foreign_model_is_refused_with_what_is_accepted(registered: MlflowRegistry) -> None:
    client = registered._client
    client.create_registered_model("foreign")
    run = client.create_run("0").info.run_id
    client.create_model_version("foreign", f"runs:/{run}/model", run_id=run)
    with pytest.raises(StateError, match=r"a package that ctloop registered.*may run code.*teacher: command"):
        resolve(registered, "models:/foreign/1")


def test_a_package_that_was_changed_in_the_store_does_not_load(
    registered: MlflowRegistry, tmp_path: Path
) -> None:
    version = resolve(registered, f"models:/{NAME}/2")
    shutil.rmtree(registered._cache, ignore_errors=True)
    for weights in Path(str(registered._artifacts).removeprefix("file://")).rglob("weights.safetensors"):
        weights.write_bytes(b"forged")
    with pytest.raises(StateError, match="a file was changed"):
        registered.fetch(version)


def test_structures_are_mapped_by_name_on_the_native_grid() -> None:
    frame = flipped_frame()
    label_map = open_registered(VERSION, Bright(), LABELS).label(frame)
    assert np.array_equal(label_map.labels == 2, frame.voxels_hu > 0)
    assert not (label_map.labels == 1).any()
    assert label_map.geometry is frame.geometry
    assert label_map.names == {1: "aorta", 2: "whole_heart"}


def test_fingerprint_follows_package_and_labels() -> None:
    from dataclasses import replace

    other = TeacherLabels(to_structure={"*": "aorta"}, structures=("aorta", "whole_heart"))
    teacher = open_registered(VERSION, Bright(), LABELS)
    found = {
        teacher.fingerprint,
        open_registered(replace(VERSION, package_hash="b" * 64), Bright(), LABELS).fingerprint,
        open_registered(VERSION, Bright(), other).fingerprint,
    }
    assert len(found) == 3
    assert open_registered(replace(VERSION, version=9), Bright(), LABELS).fingerprint in found
    assert teacher.name == f"{NAME}/3"


def test_failures_are_the_teachers() -> None:
    with pytest.raises(TeacherError, match="not enough memory"):
        open_registered(VERSION, NoMemory(), LABELS).label(flipped_frame())
    with pytest.raises(EmptyPrediction):
        open_registered(VERSION, NothingThere(), LABELS).label(flipped_frame())


def test_models_that_do_not_fit_are_refused() -> None:
    partial = TeacherLabels(to_structure={"heart": "aorta"}, structures=("aorta",))
    with pytest.raises(ParameterError, match="got structures lung"):
        open_registered(VERSION, Bright(), partial)

    class Findings(Bright):
        task, label_names = "classification", ()

    with pytest.raises(ParameterError, match="a model for classification"):
        open_registered(VERSION, Findings(), LABELS)
