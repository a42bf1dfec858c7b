"""A MONAI bundle, folder or zip, as a teacher.

The frame goes through the bundle's own ``configs/inference.json`` (preprocessing, network, inferer,
postprocessing), as ``monai.bundle run`` would do it, but in memory: the transforms that read and write
files are left out. A bundle's configuration and scripts are code, so only content that the user named by
hash runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.adapters.bundle_config import (
    channel_names,
    image_key,
    in_memory,
    part_id,
    preprocessing_id,
    prompts_by_label,
    read_configs,
    weights_file,
)
from components.adapters.bundle_content import open_trusted
from components.adapters.bundle_scripts import BundleScripts, scripts_of
from components.adapters.ras_affine import ras_affine
from components.errors import InputError, TeacherError
from components.models.teacher_labels import BACKGROUND, TeacherLabels
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

_FLOAT32, _COPIES = 4, 3  # of the network's output: window, weighted sum, result


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """What the bundle's configuration builds; ``prompts`` are the labels to ask for one by one, if any."""

    network: Any
    preprocessing: Any
    inferer: Any
    postprocessing: Any
    device: Any
    image_key: str
    prompts: Sequence[int]


@dataclass(frozen=True, kw_only=True, eq=False)
class MonaiBundle:
    """A ``Teacher``; made by ``open_bundle``."""

    name: str
    fingerprint: str
    labels: TeacherLabels
    own_names: Mapping[int, str]
    parts: _Parts
    scripts: BundleScripts

    def label(self, volume: Volume) -> LabelMap:
        """Label one frame on its native grid; see ``Teacher``."""
        try:
            with self.scripts.importable():
                values_xyz = _infer(self.parts, volume)
        except Exception as error:  # the bundle is foreign code: whatever it raises is the teacher's failure
            raise TeacherError(
                expected="a prediction",
                got=f"{type(error).__name__}: {error}",
                hint="another frame or bundle",
            ) from error
        return self.labels.read(values_xyz.transpose(2, 1, 0), volume.geometry, self.own_names)

    def memory_mb(self, geometry: Geometry) -> float:
        """An estimate: three float32 copies of the network's output channels on the frame's grid."""
        channels = len(self.parts.prompts) or max(self.own_names, default=1) + 1
        return _FLOAT32 * _COPIES * channels * prod(geometry.shape) / 1e6


def open_bundle(
    bundle: Path,
    *,
    trusted_sha256: str,
    labels: TeacherLabels,
    threads: int | None = None,
    state: Path | None = None,
) -> MonaiBundle:
    """Load a bundle whose content the user trusts.

    Args:
        bundle: its root, with ``configs/`` and ``models/``, or a zip of it.
        trusted_sha256: ``trusted_hash(bundle)`` as the user wrote it into the parameters.
        labels: the bundle's channel names (``channel_def`` of its metadata) or values in our words.
        threads: CPU threads of torch; ``None`` leaves torch's choice.
        state: where a zip is unpacked.

    Raises ``TeacherError`` when the content is not the trusted one, or needs code to be unpickled.
    """
    folder, content = open_trusted(bundle, trusted_sha256, state)
    config, metadata = read_configs(folder)
    own_names = channel_names(metadata)
    scripts = scripts_of(folder)
    try:
        with scripts.importable():
            prompts = _prompts(labels, own_names) if prompts_by_label(config) else ()
            parts = _build(config, folder, image_key(config, metadata), prompts, threads)
    except TeacherError:
        raise
    except Exception as error:  # foreign code, as above
        raise TeacherError(
            expected=f"a bundle that MONAI can build from {folder.name}/configs",
            got=f"{type(error).__name__}: {error}",
            hint="the MONAI version and packages named in its metadata",
        ) from error
    settings = json.dumps([content, dict(labels.to_structure), list(labels.structures)], sort_keys=True)
    return MonaiBundle(
        name=f"{bundle.name.removesuffix('.zip')}-{metadata.get('version', '0')}",
        fingerprint=hashlib.sha256(settings.encode()).hexdigest(),
        labels=labels,
        own_names=own_names,
        parts=parts,
        scripts=scripts,
    )


def _prompts(labels: TeacherLabels, own_names: Mapping[int, str]) -> tuple[int, ...]:
    """The bundle's values that our mapping wants; asking for more would cost time and memory for nothing."""
    wanted = {name for name, structure in labels.to_structure.items() if structure != BACKGROUND}
    found = {value for value, name in own_names.items() if {name, str(value)} & wanted and value > 0}
    if not found:
        raise TeacherError(
            expected="labels of the bundle by name or value",
            got=", ".join(sorted(wanted)),
            hint="names as in its metadata, such as " + ", ".join(list(own_names.values())[1:6]),
        )
    return tuple(sorted(found))


def _build(
    config: dict[str, Any], folder: Path, image: str, prompts: Sequence[int], threads: int | None
) -> _Parts:
    import torch
    from monai.bundle import ConfigParser

    if threads is not None:
        torch.set_num_threads(threads)
    config = in_memory({**config, "bundle_root": str(folder)})
    parser = ConfigParser(config)
    parser.parse(True)
    device = parser.get_parsed_content("device") if "device" in config else torch.device("cpu")
    network = parser.get_parsed_content(part_id(config, "network", "network", "network_def", "net"))
    network.load_state_dict(_load_weights(*weights_file(parser, config, folder)))
    postprocessing = part_id(config, "postprocessing", "postprocessing", "post_transforms")
    return _Parts(
        network=network.to(device).eval(),
        preprocessing=_composed(parser.get_parsed_content(preprocessing_id(config))),
        inferer=parser.get_parsed_content(part_id(config, "inferer", "inferer")),
        postprocessing=_composed(parser.get_parsed_content(postprocessing)),
        device=device,
        image_key=image,
        prompts=prompts,
    )


def _composed(transforms: Any) -> Any:
    from monai.transforms import Compose

    return Compose(transforms) if isinstance(transforms, list) else transforms


def _load_weights(path: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """A state dict, perhaps below one of ``keys``, or below MONAI's own names for it; never unpickles code."""
    from components.models.plain_tensors import read_tensors

    try:
        return dict(read_tensors(path, (*keys, "model", "state_dict", "network")))
    except InputError as error:
        raise TeacherError(expected=error.expected, got=error.got, hint=error.hint) from error


def _infer(parts: _Parts, volume: Volume) -> npt.NDArray[np.generic]:
    """``(x, y, z)`` label values on the frame's own grid."""
    import torch
    from monai.data import MetaTensor
    from monai.transforms import reset_ops_id

    affine = torch.from_numpy(ras_affine(volume.geometry))
    image = MetaTensor(
        torch.from_numpy(volume.voxels_hu.transpose(2, 1, 0).astype(np.float32)),
        affine=affine,
        meta={
            "original_channel_dim": "no_channel",
            "filename_or_obj": "frame",
            "original_affine": affine,
            "spatial_shape": np.array(volume.voxels_hu.shape[::-1]),
            "space": "RAS",
        },
    )
    with torch.inference_mode():
        given = {parts.image_key: image, **({"label_prompt": list(parts.prompts)} if parts.prompts else {})}
        data = reset_ops_id(parts.preprocessing(given))  # a copy of the transforms may invert them
        batch = data[parts.image_key][None].to(parts.device)
        if parts.prompts:
            data["pred"] = _prompted(parts, batch, data)
        else:
            data["pred"] = parts.inferer(batch, network=parts.network)[0].cpu()
        pred = parts.postprocessing(data)["pred"]
    values: npt.NDArray[np.generic] = np.asarray(pred.detach().cpu())
    # some bundles end with one channel per label instead of an argmax
    channels: npt.NDArray[np.generic] = values.argmax(axis=0) if len(values) > 1 else values[0]
    return channels


def _prompted(parts: _Parts, batch: Any, data: dict[str, Any]) -> Any:
    """As VISTA3D's evaluator calls its inferer: a class prompt per label, no points; logits per label."""
    import torch

    prompts = torch.as_tensor(data["label_prompt"], device=parts.device)[:, None]  # subclasses resolved
    predicted = parts.inferer(
        inputs=batch,
        network=parts.network,
        point_coords=None,
        point_labels=None,
        class_vector=prompts,
        labels=None,
        label_set=None,
    )
    data["label_prompt"] = prompts
    return predicted[0].float()
