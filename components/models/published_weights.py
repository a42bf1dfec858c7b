"""Weights in the layouts in which others publish them: CT-Scroll's own checkpoint, and ImageNet's ResNet-18."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from components.errors import InputError
from components.models.plain_tensors import read_tensors

# Ours → theirs, as the authors' model description names its parts; what no rule changes has the same name.
_SCROLL = (
    (r"^projection\.", "projection_gap."),
    (r"^norm_out\.", "layer_norm_out."),
    (r"\.in_proj\.", ".attention.in_proj_"),
    (r"\.out_proj\.", ".attention.out_proj."),
    (r"\.gated\.", ".mlp.mlp.gated_layers."),
    (r"\.cranial_caudal_block\.norm_in\.", ".cranial_caudal_block.norm1."),
    (r"\.cranial_caudal_block\.norm_out\.", ".cranial_caudal_block.norm2."),
)
_IMAGENET = (
    (r"^features\.0\.", "conv1."),
    (r"^features\.1\.", "bn1."),
    *((rf"^features\.{place + 3}\.", f"layer{place}.") for place in (1, 2, 3, 4)),
)
_COUNTER = "num_batches_tracked"  # of batch norm; old files have none, and no prediction needs it
_SHOWN = 5


def published_name(name: str) -> str:
    """What the authors' checkpoint calls our parameter ``name``."""
    return _renamed(name, _SCROLL)


def load_published(network: nn.Module, path: Path) -> None:
    """Copy the authors' checkpoint into a ``CTScroll`` of the same sizes.

    Raises ``InputError`` with what is missing, extra or mis-shaped; then ``network`` is as it was.
    """
    _copy(network.state_dict(), read_tensors(path), published_name, path)


def load_imagenet(network: nn.Module, path: Path) -> None:
    """Start the backbone of a ``CTScroll`` from a ResNet-18 file (``conv1``, ``bn1``, ``layer1``–``layer4``, ``fc``).

    Its classifier ``fc`` is left out. Raises ``InputError`` as ``load_published`` does.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("features.")}
    found = {name: tensor for name, tensor in read_tensors(path).items() if not name.startswith("fc.")}
    _copy(own, found, lambda name: _renamed(name, _IMAGENET), path)


def _copy(
    own: Mapping[str, Tensor], found: Mapping[str, Tensor], theirs: Callable[[str], str], path: Path
) -> None:
    places = {theirs(name): tensor for name, tensor in own.items()}
    wrong = {
        "missing": [name for name in places if name not in found and not name.endswith(_COUNTER)],
        "unknown": [name for name in found if name not in places],
        "of another shape": [
            f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
            for name, tensor in places.items()
            if name in found and found[name].shape != tensor.shape
        ],
        "not finite": [
            name for name in places if name in found and not bool(torch.isfinite(found[name]).all())
        ],
    }
    said = "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in wrong.items() if names)
    if said:
        raise InputError(
            expected=f"the {len(places)} tensors of this network in {path.name}",
            got=said,
            hint="the configuration that the file was trained with",
        )
    with torch.no_grad():
        for name, tensor in places.items():
            if name in found:
                tensor.copy_(found[name])


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
