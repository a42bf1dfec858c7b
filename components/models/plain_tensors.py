"""Tensors by name out of a weights file, without running anything that it may hold."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.errors import InputError


def read_tensors(path: Path, below: Sequence[str] = ("state_dict", "model")) -> dict[str, Tensor]:
    """The state dict in a ``.safetensors`` file or a torch checkpoint, on the CPU.

    A checkpoint is read with torch's ``weights_only`` reader, which makes tensors and plain containers and calls
    nothing else. The first dict at one of the keys ``below`` counts as the state dict, else the whole.

    Raises ``InputError`` when the file cannot be read, holds code, inflates, or holds anything but named tensors.
    """
    state = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    state = next((state[key] for key in below if isinstance(state.get(key), Mapping)), state)
    other = [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
    if other or not state:
        got = f"{len(other)} other entries, such as {other[0]!r}" if other else "nothing"
        raise _unusable(path, got)
    return {str(key): value for key, value in state.items()}


def _safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unusable(path, f"a file that cannot be read ({type(error).__name__})") from error


def _checkpoint(path: Path) -> Mapping[str, Any]:
    _refuse_inflating(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # of another pickle protocol; what follows is an error
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            expected=f"plain tensors in {path.name}",
            got="a pickle with code in it; none of it was run",
            hint="saving its state_dict() as safetensors, where it was made",
        ) from error
    except Exception as error:  # whatever a torn or crafted file makes torch's reader raise
        raise _unusable(path, f"a file that cannot be read ({type(error).__name__})") from error
    if not isinstance(state, Mapping):
        raise _unusable(path, type(state).__name__)
    return state


def _refuse_inflating(path: Path) -> None:
    """torch stores its archives without compression; one that grows when read is no checkpoint."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            inflated = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise _unusable(path, f"a file that cannot be read ({type(error).__name__})") from error
    if inflated > path.stat().st_size:
        raise _unusable(path, f"an archive that grows to {inflated / 1e6:.0f} MB")


def _unusable(path: Path, got: str) -> InputError:
    return InputError(
        expected=f"named tensors (a state dict) in {path.name}",
        got=got,
        hint="a .safetensors file, or what torch.save(network.state_dict()) writes",
    )
