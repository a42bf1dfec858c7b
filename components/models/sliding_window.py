"""Inference on volumes of any size: overlapping windows blended with Gaussian weights, in bounded memory.

Scores are held for one window's depth; finished slices leave as soon as no later window touches them. With k
scores and m members, a band of w slices of y by x voxels takes ``w * y * x * (4k + 4 + m + 4 + 4)`` bytes (8 fewer
for a single member), however long the volume is. Shapes: k scores, m members, d features, z y x space.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from types import EllipsisType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from components.models.window_grid import Box, Shape, WindowGrid

Column = tuple[EllipsisType, slice, slice]


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowScores:
    """What the network says about one window.

    Args:
        scores: ``(k, z, y, x)`` float32.
        members: ``(m, z, y, x)`` uint8, each member's own labels; m = 0 for a single one.
        embedding: ``(d,)``.
        entropy: ``(z, y, x)``, the mean of the members' own entropies in nats; ``None`` for a single one, whose
            scores tell it.
    """

    scores: Tensor
    members: Tensor
    embedding: Tensor
    entropy: Tensor | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """What a whole frame showed: labels ``(z, y, x)`` and each member's own ``(m, z, y, x)``, uint8."""

    labels: npt.NDArray[np.uint8]
    members: npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Slab:
    """Consecutive finished slices.

    Args:
        sums: ``(k, slices, y, x)``, weighted sums of scores; their order is that of the means.
        weight: ``(slices, y, x)``, by which to divide for means.
        members: ``(m, slices, y, x)`` uint8, from the window whose centre lies nearest.
        entropy: ``(slices, y, x)``, weighted sums of the members' mean entropy; NaN where a skipped window
            counts. Empty for a single member of which nothing was skipped.
        embeddings: window number → ``(d,)``, of the windows that start in the slab and were not skipped.

    All but the embeddings are views that the next slab overwrites.
    """

    sums: Tensor
    weight: Tensor
    members: Tensor
    entropy: Tensor
    embeddings: dict[int, Tensor]


def blend(
    infer: Callable[[Tensor], WindowScores],
    read: Callable[[tuple[slice, slice, slice]], Tensor],
    windows: WindowGrid,
    *,
    scores: int,
    members: int,
    skip: Collection[int] = (),
    before: Shown | None = None,
    device: torch.device | None = None,
) -> Iterator[Slab]:
    """Slabs along z, rising, of all windows of a volume.

    Args:
        infer: ``(1, 1, z, y, x)`` → scores of that window.
        read: box inside the volume → ``(z, y, x)`` float32 window units; called once per window, so that no
            float copy of the whole volume is needed. Padded with 0, the window's lower end, up to a window.
        windows: of the volume.
        scores, members: k and m.
        skip: numbers of windows that are not run and count as sure of what the frame ``before`` showed there.
        device: of the sums.
    """
    gaussian = _gaussian(windows.size, device)
    band = _Band.empty(windows, scores, members, device, entropy=members > 0 or bool(skip))
    boxes = windows.boxes()
    depth, height, width = windows.volume
    for z, done, row in windows.bands():
        embeddings = {}
        for number, y, x in row:
            if number in skip and before is not None:
                band.add_sure(y, x, gaussian, *_part(before, boxes[number], windows.size, gaussian.device))
                continue
            answer = infer(_padded(read(boxes[number]), windows.size)[None, None])
            band.add(y, x, gaussian, answer)
            embeddings[number] = answer.embedding.clone()
        inside = (..., slice(0, max(0, min(done, depth - z))), slice(0, height), slice(0, width))
        yield Slab(
            sums=band.total[inside],
            weight=band.weight[inside],
            members=band.members[inside],
            entropy=band.entropy[inside],
            embeddings=embeddings,
        )
        band.advance(done)


def hard(scores_k: Tensor) -> Tensor:
    """The class of the highest score along the first axis, uint8; the first one of equals."""
    # On a CPU torch's argmax over a leading axis takes eight times as long as max.
    return scores_k.max(dim=0).indices.to(torch.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Band:
    """Sums of the slices that the windows of one z touch; ``advance`` moves it on.

    ``nearest`` holds the largest weight seen, which belongs to the window whose centre lies nearest.
    """

    total: Tensor
    weight: Tensor
    nearest: Tensor
    members: Tensor
    entropy: Tensor

    @staticmethod
    def empty(
        windows: WindowGrid, scores: int, members: int, device: torch.device | None, *, entropy: bool
    ) -> _Band:
        shape = (windows.size[0], *windows.padded[1:])
        return _Band(
            total=torch.zeros((scores, *shape), device=device),
            weight=torch.zeros(shape, device=device),
            nearest=torch.zeros(shape if members else (shape[0], 0, 0), device=device),
            members=torch.zeros((members, *shape), dtype=torch.uint8, device=device),
            entropy=torch.zeros(shape if entropy else (shape[0], 0, 0), device=device),
        )

    def add(self, y: int, x: int, gaussian: Tensor, answer: WindowScores) -> None:
        column = _column(y, x, gaussian)
        self.total[column].addcmul_(answer.scores, gaussian)
        self.weight[column].add_(gaussian)
        if answer.entropy is not None:
            self.entropy[column].addcmul_(answer.entropy, gaussian)
        self._nearest(column, gaussian, answer.members)

    def add_sure(self, y: int, x: int, gaussian: Tensor, labels: Tensor, members: Tensor) -> None:
        column = _column(y, x, gaussian)
        self.total[column].scatter_add_(0, labels[None].long(), gaussian[None])
        self.weight[column].add_(gaussian)
        self.entropy[column] = torch.nan
        self._nearest(column, gaussian, members)

    def _nearest(self, column: Column, gaussian: Tensor, labels: Tensor) -> None:
        if len(self.members):
            before = self.nearest[column]
            mine = gaussian > before
            self.members[column] = torch.where(mine, labels, self.members[column])
            torch.maximum(before, gaussian, out=before)

    def advance(self, slices: int) -> None:
        for buffer in (self.total, self.weight, self.nearest, self.members, self.entropy):
            stay = buffer.shape[-3] - slices
            if stay > 0:  # a copy of the few slices that stay: the two ranges may overlap
                buffer[..., :stay, :, :] = buffer[..., slices:, :, :].clone()
            buffer[..., max(0, stay) :, :, :] = 0


def _part(shown: Shown, box: Box, size: Shape, device: torch.device) -> tuple[Tensor, Tensor]:
    """Labels and members of one window, background where it reaches beyond the volume."""
    labels = torch.from_numpy(shown.labels[box]).to(device)
    members = [_padded(torch.from_numpy(own[box]).to(device), size) for own in shown.members]
    whole = _padded(labels, size)
    return whole, torch.stack(members) if members else whole.new_zeros((0, *size))


def _column(y: int, x: int, gaussian: Tensor) -> Column:
    return (..., slice(y, y + gaussian.shape[1]), slice(x, x + gaussian.shape[2]))


def _padded(part: Tensor, size: Shape) -> Tensor:
    missing = [w - n for n, w in zip(part.shape, size, strict=True)]
    return (
        functional.pad(part, [side for m in reversed(missing) for side in (0, m)]) if any(missing) else part
    )


def _gaussian(size: Shape, device: torch.device | None) -> Tensor:
    """Weights with a standard deviation of an eighth of the side (nnU-Net), never below 1e-3."""
    weight = torch.ones((), device=device)
    for n in size:
        grid = torch.arange(n, device=device) - (n - 1) / 2
        weight = weight[..., None] * torch.exp(-0.5 * (grid / (n / 8.0)) ** 2)
    return weight.clamp_min(1e-3)
