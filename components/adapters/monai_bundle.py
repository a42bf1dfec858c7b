"""A MONAI bundle folder as a teacher.

The frame goes through the bundle's own ``configs/inference.json`` (preprocessing, network, inferer,
postprocessing), as ``monai.bundle run`` would do it, but in memory: the transforms that read and write
files are left out. A bundle's configuration is code, so only content that the user named by hash runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.adapters.ras_affine import ras_affine
from components.errors import TeacherError
from components.models.teacher_labels import TeacherLabels
from components.volume.volume import LabelMap, Volume

_READS_OR_WRITES_FILES = ("LoadImaged", "LoadImageD", "SaveImaged", "SaveImageD", "CopyFilenamesd")
_CONFIGS = ("inference.json", "inference.yaml", "inference.yml")
_WEIGHTS = ("model.safetensors", "model.pt")


def bundle_sha256(folder: Path) -> str:
    """sha256 over the relative path and the content of every file below ``folder``, caches left out.

    Raises ``TeacherError`` for a folder that is missing or holds links (their target could change).
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix().encode()
        content = hashlib.sha256(path.read_bytes()).digest()
        digest.update(len(name).to_bytes(4, "big") + name + content)
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise TeacherError(expected="a bundle folder", got=f"no folder {folder.name!r}", hint="its path")
    paths = [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts]
    links = [path.name for path in paths if path.is_symlink()]
    if links:
        raise TeacherError(
            expected="plain files in the bundle", got=f"a link {links[0]!r}", hint="copying it"
        )
    return [path for path in paths if path.is_file()]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """What the bundle's configuration builds."""

    network: Any
    preprocessing: Any
    inferer: Any
    postprocessing: Any
    device: Any
    image_key: str


@dataclass(frozen=True, kw_only=True, eq=False)
class MonaiBundle:
    """A ``Teacher``; made by ``open_bundle``."""

    name: str
    fingerprint: str
    labels: TeacherLabels
    own_names: Mapping[int, str]
    parts: _Parts

    def label(self, volume: Volume) -> LabelMap:
        """Label one frame on its native grid; see ``Teacher``."""
        try:
            values_xyz = _infer(self.parts, volume)
        except Exception as error:  # the bundle is foreign code: whatever it raises is the teacher's failure
            raise TeacherError(
                expected="a prediction",
                got=f"{type(error).__name__}: {error}",
                hint="another frame or bundle",
            ) from error
        return self.labels.read(values_xyz.transpose(2, 1, 0), volume.geometry, self.own_names)


def open_bundle(
    folder: Path, *, trusted_sha256: str, labels: TeacherLabels, threads: int | None = None
) -> MonaiBundle:
    """Load a bundle whose content the user trusts.

    Args:
        folder: the bundle's root, with ``configs/`` and ``models/``.
        trusted_sha256: ``bundle_sha256(folder)`` as the user wrote it into the parameters.
        labels: the bundle's channel names (``channel_def`` of its metadata) or values in our words.
        threads: CPU threads of torch; ``None`` leaves torch's choice.

    Raises ``TeacherError`` when the content is not the trusted one, or needs code to be unpickled.
    """
    actual = bundle_sha256(folder)
    if actual != trusted_sha256:
        raise TeacherError(
            expected=f"bundle content {trusted_sha256 or '(none trusted)'}",
            got=actual,
            hint="reading the bundle's files, then `trusted_sha256: " + actual + "` if you trust its code",
        )
    config, metadata = _read_configs(folder)
    image_key = next(iter(_data_format(metadata, "inputs")), "image")
    try:
        parts = _build(config, folder, image_key, threads)
    except TeacherError:
        raise
    except Exception as error:  # foreign code, as above
        raise TeacherError(
            expected=f"a bundle that MONAI can build from {folder.name}/configs",
            got=f"{type(error).__name__}: {error}",
            hint="the MONAI version named in its metadata",
        ) from error
    settings = json.dumps([actual, dict(labels.to_structure), list(labels.structures)], sort_keys=True)
    return MonaiBundle(
        name=f"{folder.name}-{metadata.get('version', '0')}",
        fingerprint=hashlib.sha256(settings.encode()).hexdigest(),
        labels=labels,
        own_names=_channel_names(metadata),
        parts=parts,
    )


def _read_configs(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    configs = folder / "configs"
    found = [configs / name for name in _CONFIGS if (configs / name).is_file()]
    if not found or not (configs / "metadata.json").is_file():
        raise TeacherError(
            expected="configs/inference.json (or .yaml) and configs/metadata.json",
            got=", ".join(sorted(path.name for path in configs.glob("*"))) or "no configs",
            hint="a complete MONAI bundle",
        )
    import yaml

    try:
        config, metadata = (
            yaml.safe_load(found[0].read_text()),
            json.loads((configs / "metadata.json").read_text()),
        )
    except (ValueError, yaml.YAMLError) as error:
        raise TeacherError(
            expected="readable bundle configs", got=str(error), hint="the bundle as it was published"
        ) from error
    return config, metadata


def _data_format(metadata: Mapping[str, Any], side: str) -> dict[str, Any]:
    return dict(metadata.get("network_data_format", {}).get(side, {}))


def _channel_names(metadata: Mapping[str, Any]) -> dict[int, str]:
    outputs: dict[str, Any] = next(iter(_data_format(metadata, "outputs").values()), {})
    return {int(value): str(name) for value, name in outputs.get("channel_def", {}).items()}


def _build(config: dict[str, Any], folder: Path, image_key: str, threads: int | None) -> _Parts:
    import torch
    from monai.bundle import ConfigParser

    if threads is not None:
        torch.set_num_threads(threads)
    parser = ConfigParser(_in_memory({**config, "bundle_root": str(folder)}))
    parser.parse(True)
    device = parser.get_parsed_content("device") if "device" in config else torch.device("cpu")
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(_load_weights(_weights_file(parser, config, folder)))
    return _Parts(
        network=network.to(device).eval(),
        preprocessing=parser.get_parsed_content("preprocessing"),
        inferer=parser.get_parsed_content("inferer"),
        postprocessing=parser.get_parsed_content("postprocessing"),
        device=device,
        image_key=image_key,
    )


def _in_memory(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without the transforms that read or write files."""
    for name in ("preprocessing", "postprocessing"):
        section = config[name]
        kept = [
            t
            for t in section["transforms"]
            if str(t["_target_"]).split(".")[-1] not in _READS_OR_WRITES_FILES
        ]
        config[name] = {**section, "transforms": kept}
    return config


def _weights_file(parser: Any, config: Mapping[str, Any], folder: Path) -> Path:
    """What the bundle's checkpoint loader names, else the usual file."""
    named = []
    if "load_path" in config.get("checkpointloader", {}):
        named = [Path(parser.get_parsed_content("checkpointloader::load_path"))]
    candidates = [*named, *(folder / "models" / name for name in _WEIGHTS)]
    for path in candidates:
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    raise TeacherError(
        expected=f"weights inside the bundle ({', '.join(path.name for path in candidates)})",
        got="none of them",
        hint="downloading the bundle with its weights",
    )


def _load_weights(path: Path) -> dict[str, Any]:
    """A state dict; never unpickles code."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise TeacherError(
            expected=f"plain tensors in {path.name}",
            got="a pickle with code in it",
            hint="saving its state_dict as safetensors",
        ) from error
    nested = state.get("model", state)  # MONAI's CheckpointSaver writes {"model": state_dict}
    return dict(nested if isinstance(nested, dict) else state)


def _infer(parts: _Parts, volume: Volume) -> npt.NDArray[np.generic]:
    """``(x, y, z)`` label values on the frame's own grid."""
    import torch
    from monai.data import MetaTensor

    image = MetaTensor(
        torch.from_numpy(volume.voxels_hu.transpose(2, 1, 0).astype(np.float32)),
        affine=torch.from_numpy(ras_affine(volume.geometry)),
        meta={"original_channel_dim": "no_channel", "filename_or_obj": "frame"},
    )
    with torch.inference_mode():
        data = parts.preprocessing({parts.image_key: image})
        batch = data[parts.image_key][None].to(parts.device)
        data["pred"] = parts.inferer(batch, network=parts.network)[0].cpu()
        pred = parts.postprocessing(data)["pred"]
    values: npt.NDArray[np.generic] = np.asarray(pred.detach().cpu())
    # some bundles end with one channel per label instead of an argmax
    channels: npt.NDArray[np.generic] = values.argmax(axis=0) if len(values) > 1 else values[0]
    return channels
