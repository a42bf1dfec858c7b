"""Starting a classifier from weights trained elsewhere; its findings are matched by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from components.errors import StateError

LAST_LAYER = "classifier.3."  # one row per finding
FINDINGS = "findings"  # metadata of the file: their names, in the order of the rows


def save_start(path: Path, network: nn.Module, findings: Sequence[str]) -> None:
    """Write the floating-point tensors of ``network`` as float16, and the names of its findings."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().half().contiguous() for name, tensor in _floats(network).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={FINDINGS: json.dumps(list(findings))})


def load_start(path: Path, network: nn.Module, findings: Sequence[str]) -> None:
    """Copy the weights at ``path`` into ``network``, whose outputs are ``findings``.

    A row of the last layer is taken over where the file knows that finding; the other rows stay as they are.
    Raises ``StateError`` unless the file holds exactly the network's tensors, the other ones in their shapes.
    """
    own = _floats(network)
    found, known = _read(path)
    wrong = sorted(set(own) ^ set(found)) + sorted(
        name for name in set(own) & set(found) if not _fits(name, own[name], found[name], len(known))
    )
    if wrong:
        raise _misfit(f"{len(wrong)} tensors that are missing, extra or mis-shaped, such as {wrong[0]!r}")
    ours = [row for row, name in enumerate(findings) if name in known]
    theirs = [known.index(findings[row]) for row in ours]
    with torch.no_grad():
        for name, tensor in own.items():
            if name.startswith(LAST_LAYER):
                tensor[ours] = found[name][theirs].to(tensor.dtype)
            else:
                tensor.copy_(found[name])


def _floats(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


def _fits(name: str, own: torch.Tensor, found: torch.Tensor, known: int) -> bool:
    if name.startswith(LAST_LAYER):
        return found.shape == (known, *own.shape[1:])
    return own.shape == found.shape


def _read(path: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.offset_keys()
            return {name: file.get_tensor(name) for name in names}, json.loads(metadata[FINDINGS])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _misfit(type(error).__name__) from error


def _misfit(got: str) -> StateError:
    return StateError(
        expected="starting weights of the network that the plan describes, with the names of their findings",
        got=got,
        hint="the widths, embedding and max_pool that they were made with, or `start: null`",
    )
