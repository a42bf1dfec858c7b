"""Deep supervision: coarser decoder levels are taught too, while training only (nnU-Net, Isensee et al. 2021).

The auxiliary heads belong to the training module, never to the network: a package does not hold them, and
inference neither computes nor knows them.
Shapes: b batch, c channels, m members (heads), k classes, z y x space.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from components.models.segmentation_loss import segmentation_loss
from components.models.unet import BACKGROUND_LOGIT
from components.models.unet_config import UNetConfig


class AuxiliaryHeads(nn.Module):
    """Features of the decoder levels but the finest, coarsest first → logits of each, ``(b, m, k, z, y, x)``."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.members, self.classes = config.heads, config.classes
        self.heads = nn.ModuleList(
            nn.Conv3d(channels, config.heads * config.classes, 1) for channels in config.widths[-2:0:-1]
        )
        for head in self.heads:
            assert isinstance(head, nn.Conv3d)
            assert head.bias is not None
            with torch.no_grad():
                head.bias.zero_().view(config.heads, config.classes)[:, 0] = BACKGROUND_LOGIT

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        return [
            head(h_bczyx).unflatten(1, (self.members, self.classes))
            for head, h_bczyx in zip(self.heads, levels, strict=True)
        ]


def level_weights(levels: int) -> list[float]:
    """1, 1/2, 1/4 … from the finest level on, as shares of their sum."""
    total = sum(0.5**level for level in range(levels))
    return [0.5**level / total for level in range(levels)]


def coarse_target(target: Tensor, shape: Sequence[int]) -> Tensor:
    """``(b, z, y, x)`` on a grid of ``shape``: the voxel nearest to each coarse voxel's centre.

    Classes are never mixed, so an ignored voxel (255) stays ignored and makes no neighbour known.
    """
    steps = [fine // coarse for fine, coarse in zip(target.shape[1:], shape, strict=True)]
    z, y, x = (slice(step // 2, None, step) for step in steps)
    return target[:, z, y, x]


def deep_loss(logits: Sequence[Tensor], target: Tensor, weight_bm: Tensor) -> Tensor:
    """Weighted sum of the loss of each level, finest first in ``logits``; see ``segmentation_loss``."""
    losses = [
        share * segmentation_loss(level.float(), coarse_target(target, level.shape[3:]), weight_bm)
        for share, level in zip(level_weights(len(logits)), logits, strict=True)
    ]
    return torch.stack(losses).sum()
