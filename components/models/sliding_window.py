"""Inference on volumes of any size: overlapping windows blended with Gaussian weights, in bounded memory.

Scores are held only for one window's depth; finished slices leave as soon as no later window touches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

Shape = tuple[int, int, int]
Infer = Callable[[Tensor], tuple[Tensor, Tensor]]


def blended_slabs(
    infer: Infer, volume_zyx: Tensor, *, patch: Shape, stride: int, overlap: float = 0.25
) -> Iterator[tuple[Tensor, Tensor]]:
    """Scores of consecutive slabs along z; a volume no larger than ``patch`` is one pass and one slab.

    Args:
        infer: ``(1, 1, z, y, x)`` → scores ``(1, *c, z, y, x)`` and embedding ``(1, d)``.
        volume_zyx: window units; padded with 0 (the window's lower end) where it is too small.
        patch: largest window in voxels, rounded down to multiples of ``stride``.
        stride: the sides of a window are multiples of this.
        overlap: share of a window that its neighbour covers too.

    Yields:
        Scores ``(*c, slices, y, x)`` and the embeddings ``(n, d)`` of the windows that start in the slab.
    """
    depth, height, width = volume_zyx.shape
    size = _window(volume_zyx.shape, patch, stride)
    padded = _pad(volume_zyx, size)
    z_starts, y_starts, x_starts = (_starts(n, w, overlap) for n, w in zip(padded.shape, size, strict=True))
    gaussian = _gaussian(size, padded.device)
    weights = torch.zeros((size[0], *padded.shape[1:]), device=padded.device)
    total: Tensor | None = None
    for z, following in zip(z_starts, [*z_starts[1:], z_starts[-1] + size[0]], strict=True):
        embeddings = []
        for y, x in product(y_starts, x_starts):
            column = (..., slice(y, y + size[1]), slice(x, x + size[2]))
            scores, embedding = infer(padded[z : z + size[0]][column][None, None])
            if total is None:
                total = torch.zeros((*scores.shape[1:-3], *weights.shape), device=padded.device)
            total[column] += scores[0].float() * gaussian
            weights[column] += gaussian
            embeddings.append(embedding[0].float())
        assert total is not None
        done = following - z
        finished = (total[..., :done, :, :] / weights[:done])[..., : max(0, depth - z), :height, :width]
        yield finished, torch.stack(embeddings)
        total, weights = _advance(total, done), _advance(weights, done)


def most_probable(scores_k: Tensor) -> npt.NDArray[np.uint8]:
    """The class of the highest score along the first axis; the first one of equals."""
    # On a CPU torch's argmax over a leading axis takes eight times as long as max.
    best: npt.NDArray[np.uint8] = scores_k.max(dim=0).indices.to(torch.uint8).cpu().numpy()
    return best


def _window(shape: tuple[int, ...], patch: Shape, stride: int) -> Shape:
    largest = (max(stride, n // stride * stride) for n in patch)
    z, y, x = (min(p, -(-n // stride) * stride) for n, p in zip(shape, largest, strict=True))
    if z == y == x == stride:  # a single voxel at the deepest level has no spread to normalise
        z = 2 * stride
    return z, y, x


def _pad(volume: Tensor, size: Shape) -> Tensor:
    missing = [max(0, w - n) for n, w in zip(volume.shape, size, strict=True)]
    return functional.pad(volume, [side for m in reversed(missing) for side in (0, m)])


def _starts(length: int, window: int, overlap: float) -> list[int]:
    """Evenly spread corners, the last one flush with the end."""
    if length == window:
        return [0]
    step = max(1, int(window * (1.0 - overlap)))
    count = -(-(length - window) // step) + 1
    return [round(i * (length - window) / (count - 1)) for i in range(count)]


def _gaussian(size: Shape, device: torch.device) -> Tensor:
    """Weights with a standard deviation of an eighth of the side (nnU-Net), never below 1e-3."""
    weight = torch.ones((), device=device)
    for n in size:
        grid = torch.arange(n, device=device) - (n - 1) / 2
        weight = weight[..., None] * torch.exp(-0.5 * (grid / (n / 8.0)) ** 2)
    return weight.clamp_min(1e-3)


def _advance(buffer: Tensor, slices: int) -> Tensor:
    """The buffer moved on by ``slices`` along z, zeros behind."""
    moved = torch.zeros_like(buffer)
    moved[..., : buffer.shape[-3] - slices, :, :] = buffer[..., slices:, :, :]
    return moved
