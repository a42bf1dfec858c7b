"""A model package on disk: weights.safetensors, model.json and, once judged, calibration.json and quality.json.

No pickle anywhere; equal weights and descriptions give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from components.errors import ParameterError, StateError
from components.models.classification_predictor import Calibration, ClassificationPredictor
from components.models.classifiers import Classifier, build_classifier, config_of
from components.models.description import DESCRIPTION, ModelDescription
from components.models.known_quality import known_quality
from components.models.segmentation_predictor import SegmentationPredictor
from components.models.unet import UNet
from components.models.unet_config import UNetConfig

WEIGHTS, CALIBRATION = "weights.safetensors", "calibration.json"


def write_model(folder: Path, network: nn.Module, description: ModelDescription) -> None:
    """Write ``network``'s weights and ``description`` into ``folder`` (made if missing), each atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    weights = safetensors.torch.save(state)
    _replace(folder / WEIGHTS, weights)
    digest = hashlib.sha256(weights).hexdigest()
    _replace(folder / DESCRIPTION, description.to_json(digest).encode())


def read_description(folder: Path) -> ModelDescription:
    """model.json of a package; ``StateError`` when it is missing or of another format."""
    return ModelDescription.from_json(_read(folder / DESCRIPTION).decode())[0]


def load_network(folder: Path) -> tuple[nn.Module, ModelDescription]:
    """The network in evaluation mode; ``StateError`` when weights and description do not belong together."""
    description, digest = ModelDescription.from_json(_read(folder / DESCRIPTION).decode())
    content = _read(folder / WEIGHTS)
    got = hashlib.sha256(content).hexdigest()
    if got != digest:
        raise StateError(
            expected=f"weights with sha256 {digest[:12]}…",
            got=f"{got[:12]}…",
            hint="fetching the package again: its weights were changed or cut short",
        )
    network = build_network(description)
    try:
        network.load_state_dict(safetensors.torch.load(content))
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise StateError(
            expected="weights of the architecture that model.json names",
            got=str(error).splitlines()[-1].strip(),
            hint="training the model again with this version",
        ) from error
    return network.eval(), description


def build_network(description: ModelDescription) -> nn.Module:
    """An untrained network of the described architecture; ``StateError`` when it does not fit the labels."""
    try:
        if description.task == "segmentation":
            unet = UNetConfig(**description.architecture)
            outputs = unet.classes - 1
            network: nn.Module = UNet(unet)
        else:
            config = config_of(description.architecture)
            outputs = config.labels
            network = build_classifier(config)
    except (TypeError, ParameterError) as error:
        raise _misfit(str(error)) from error
    if outputs != len(description.label_names):
        raise _misfit(f"{outputs} outputs for {len(description.label_names)} label names")
    return network


def load_predictor(folder: Path, *, device: str = "auto") -> SegmentationPredictor | ClassificationPredictor:
    """A ready ``Predictor`` from a package folder.

    Args:
        folder: with weights.safetensors, model.json and optionally calibration.json and quality.json.
        device: ``cpu``, ``cuda`` or ``auto`` (a GPU if there is one).

    Raises ``StateError`` when a file is missing, changed or does not fit the others.
    """
    network, description = load_network(folder)
    where = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    network = network.to(where)
    known = known_quality(folder)
    if description.task == "segmentation":
        return SegmentationPredictor(
            network=network, description=description, device=where, quality=known.quality
        )
    assert isinstance(network, Classifier)
    calibration = _calibration(folder, description.label_names)
    return ClassificationPredictor(
        network=network, description=description, device=where, calibration=calibration,
        quality=known.quality, sets=known.sets,
    )  # fmt: skip


def _calibration(folder: Path, findings: tuple[str, ...]) -> Calibration:
    """Temperatures 1 and thresholds 0.5 where calibration.json says nothing."""
    path = folder / CALIBRATION
    tree: Mapping[str, Mapping[str, float]] = {}
    if path.is_file():
        try:
            tree = json.loads(path.read_text())
            return Calibration.of(findings, tree.get("temperature", {}), tree.get("thresholds", {}))
        except (ValueError, TypeError, AttributeError) as error:
            raise StateError(
                expected="calibration.json with finding → temperature and finding → threshold",
                got=str(error),
                hint="running evaluate again",
            ) from error
    return Calibration.of(findings, {}, {})


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StateError(
            expected=f"{path.name} in the model package",
            got=type(error).__name__,
            hint="training the model, or fetching it from the registry",
        ) from error


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _misfit(got: str) -> StateError:
    return StateError(
        expected="an architecture in model.json that fits its task and label names",
        got=got,
        hint="training the model again with this version",
    )
