"""A segmentation model of the registry as a teacher: a champion teaches the next student.

Only packages that ctloop registered are accepted: their content hash is a tag of the version, is checked when
the package is fetched, and loading them unpickles nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from math import prod

from components.adapters.mlflow_registry import MlflowRegistry
from components.errors import ParameterError, StateError, TeacherError
from components.models.prediction import FRAME_ERRORS, Predictor
from components.models.teacher_labels import TeacherLabels
from components.registry.model_reference import parse_model_reference
from components.registry.registry import ModelVersion
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

_FLOAT32, _COPIES, _HEADS = 4, 3, 3


@dataclass(frozen=True, kw_only=True, eq=False)
class RegistryTeacher:
    """A ``Teacher``; made by ``open_registered``."""

    name: str
    fingerprint: str
    labels: TeacherLabels
    predictor: Predictor

    def label(self, volume: Volume) -> LabelMap:
        """Label one frame on its native grid; see ``Teacher``."""
        try:
            predicted = self.predictor.predict(volume).labels
        except FRAME_ERRORS as error:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise TeacherError(expected="a prediction", got=said, hint="a smaller frame") from error
        assert predicted is not None, "a segmentation model"
        return self.labels.read(predicted.labels, volume.geometry, predicted.names)

    def memory_mb(self, geometry: Geometry) -> float:
        """An estimate: three float32 copies of the heads' outputs on the frame's grid."""
        outputs = _HEADS * (len(self.predictor.label_names) + 1)
        return _FLOAT32 * _COPIES * outputs * prod(geometry.shape) / 1e6


def resolve(registry: MlflowRegistry, model: str) -> ModelVersion:
    """The version that ``model`` names at this moment.

    Raises ``ParameterError`` for a name in no known form, ``StateError`` for one that names nothing or a model
    that no ctloop registered.
    """
    reference = parse_model_reference(model)
    if reference.run_id is not None:
        found = registry.by_run(reference.run_id)
    elif reference.alias is not None:
        found = registry.by_alias(str(reference.name), reference.alias)
    else:
        versions = registry.versions(str(reference.name))
        found = next((version for version in versions if version.version == reference.version), None)
    if found is None:
        raise StateError(
            expected=f"the registered model {model}", got="nothing of this name", hint="`ctloop register`"
        )
    if not found.package_hash:
        raise StateError(
            expected=f"{model} to be a package that ctloop registered: weights as safetensors, with its hash",
            got="another MLflow model, whose loading may run code",
            hint="`teacher: bundle` with a hash that you trust, or `teacher: command` in its own environment",
        )
    return found


def with_hash(registry: MlflowRegistry, model: str, package_hash: str) -> ModelVersion:
    """The version of the model's name whose package has this hash, wherever aliases point by now.

    Raises ``StateError`` when there is none.
    """
    reference = parse_model_reference(model)
    name = reference.name or resolve(registry, model).name
    found = next((v for v in registry.versions(name) if v.package_hash == package_hash), None)
    if found is None:
        raise StateError(
            expected=f"a version of {name} with package hash {package_hash[:12]}",
            got="none",
            hint="`ctloop pseudo-label`, which resolves the model again",
        )
    return found


def open_registered(version: ModelVersion, predictor: Predictor, labels: TeacherLabels) -> RegistryTeacher:
    """A loaded package as a teacher; its fingerprint covers the package's hash and the labels.

    Raises ``ParameterError`` for a model that draws nothing, or whose structures ``labels`` does not map.
    """
    unmapped = [name for name in predictor.label_names if labels.value_of(name) is None]
    if predictor.task != "segmentation" or unmapped:
        raise ParameterError(
            expected="a segmentation model whose structures `labels` maps",
            got=f"structures {', '.join(unmapped)}" if unmapped else f"a model for {predictor.task}",
            hint="`labels: {structure of the model: structure or background}`",
        )
    settings = [version.package_hash, dict(labels.to_structure), list(labels.structures)]
    return RegistryTeacher(
        name=f"{version.name}/{version.version}",
        fingerprint=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        labels=labels,
        predictor=predictor,
    )
