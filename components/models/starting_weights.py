"""Starting a classifier from weights trained elsewhere: all of the network but its last layer."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from components.errors import StateError

LAST_LAYER = "classifier.3."


def save_start(path: Path, network: nn.Module) -> None:
    """Write the floating-point tensors of ``network`` as float16, without its last layer and its counters."""
    from safetensors.torch import save_file

    tensors = {
        name: tensor.detach().half().contiguous()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point() and not name.startswith(LAST_LAYER)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


def load_start(path: Path, network: nn.Module) -> None:
    """Copy the weights at ``path`` into ``network``, whose last layer stays as it is.

    Raises ``StateError`` unless the file holds exactly the other tensors, in their shapes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    own = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point() and not name.startswith(LAST_LAYER)
    }
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _misfit(type(error).__name__) from error
    wrong = sorted(set(own) ^ set(found)) + sorted(
        name for name in set(own) & set(found) if own[name].shape != found[name].shape
    )
    if wrong:
        raise _misfit(f"{len(wrong)} tensors that are missing, extra or mis-shaped, such as {wrong[0]!r}")
    for name, tensor in own.items():
        tensor.copy_(found[name])


def _misfit(got: str) -> StateError:
    return StateError(
        expected="starting weights of the network that the plan describes",
        got=got,
        hint="the widths, embedding and max_pool that they were made with, or `start: null`",
    )
