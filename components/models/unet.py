"""A compact 3D U-Net with several light heads on one trunk.

The heads share every costly layer, start from different weights and learn from different shares of the
patients, so that their disagreement costs almost nothing and still grows where the model is unsure.
Shapes: b batch, c channels, m members (heads), k classes, z y x space.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from components.models.unet_config import UNetConfig

# Most voxels are background: starting there spares the first steps from learning it.
BACKGROUND_LOGIT = 3.0
_SMALL_VOXELS = 64**3


class UNet(nn.Module):
    """``(b, 1, z, y, x)`` window units → logits ``(b, m, k, z, y, x)`` and embedding ``(b, d)``."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, stride = config.widths, config.stem_stride
        pairs = list(pairwise(widths))
        self.stem = nn.Sequential(_block(1, widths[0], stride), _block(widths[0], widths[0]))
        self.down = nn.ModuleList(nn.Sequential(_block(a, b, 2), _block(b, b)) for a, b in pairs)
        self.bottleneck = nn.Conv3d(widths[-1], widths[-1], 3, padding=1)
        self.lift = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in reversed(pairs))
        self.merge = nn.ModuleList(_block(2 * a, a) for a, _ in reversed(pairs))
        self.heads = nn.ModuleList(_head(widths[0], config.classes, stride) for _ in range(config.heads))

    def forward(self, x_bczyx: Tensor) -> tuple[Tensor, Tensor]:
        small = x_bczyx.numel() <= _SMALL_VOXELS and x_bczyx.device.type == "cpu"
        if len(x_bczyx) == 1 and small and not self.training:
            # Below about 20,000 elements per image PyTorch gives a batch of one to a convolution that takes
            # twice as long as oneDNN's for two (use_mkldnn in aten/src/ATen/native/Convolution.cpp).
            twice, embedding = self._pass(x_bczyx.expand(2, -1, -1, -1, -1))
            return twice[:1], embedding[:1]
        return self._pass(x_bczyx)

    def _pass(self, x_bczyx: Tensor) -> tuple[Tensor, Tensor]:
        levels, embedding = self.decode(x_bczyx)
        return self.logits(levels[-1]), embedding

    def decode(self, x_bczyx: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features of every decoder level, coarsest first, and the embedding ``(b, d)``."""
        skips = [self.stem(x_bczyx)]
        for stage in self.down:
            skips.append(stage(skips[-1]))
        deep = self.bottleneck(skips.pop())
        levels = [nn.functional.leaky_relu(deep, 0.01)]
        for lift, merge in zip(self.lift, self.merge, strict=True):
            levels.append(merge(torch.cat((lift(levels[-1]), skips.pop()), dim=1)))
        return levels[1:], pool(deep)

    def logits(self, finest_bczyx: Tensor) -> Tensor:
        """Logits ``(b, m, k, z, y, x)`` of all heads from the features of the finest level."""
        return torch.stack([head(finest_bczyx) for head in self.heads], dim=1)


def pool(h_bczyx: Tensor) -> Tensor:
    """Mean and spread of each channel over space, scaled to a root mean square of 1: ``(b, 2c)``.

    Taken where no normalisation follows: behind an instance norm every mean would be the same.
    """
    both = torch.cat((h_bczyx.mean(dim=(2, 3, 4)), h_bczyx.std(dim=(2, 3, 4), correction=0)), dim=1)
    return both / both.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-6)


def _block(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels, out, 3, stride=stride, padding=1, bias=False),
        nn.InstanceNorm3d(out, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


def _head(channels: int, classes: int, stride: int) -> nn.Sequential:
    last = nn.ConvTranspose3d(channels, classes, stride, stride=stride)
    assert last.bias is not None
    with torch.no_grad():
        last.bias.zero_()[0] = BACKGROUND_LOGIT
    return nn.Sequential(nn.Conv3d(channels, channels, 1), nn.LeakyReLU(0.01, inplace=True), last)
