"""A ResNet-18-shaped network on slices (He et al. 2016), without its pooling and its classifier."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with batch norm and a shortcut."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            shortcut = nn.Conv2d(channels, out, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out))

    def forward(self, x_bchw: Tensor) -> Tensor:
        h = functional.relu(self.bn1(self.conv1(x_bchw)))
        return functional.relu(self.bn2(self.conv2(h)) + self.downsample(x_bchw))


def slice_backbone(channels: int, widths: tuple[int, ...], *, max_pool: bool = True) -> nn.Sequential:
    """``(b, channels, h, w)`` → ``(b, widths[-1], h / 2^(1 + n), w / 2^(1 + n))`` for n widths.

    With 3 channels and widths (64, 128, 256, 512) it has the layers, the order and the parameter names
    (by index: 0 convolution, 1 batch norm, 4… stages) of an ImageNet ResNet-18 without pooling and head.
    Without ``max_pool`` everything after the stem works at twice the resolution, for small images.
    """
    stages = []
    for i, (before, width) in enumerate(zip((widths[0], *widths), widths, strict=False)):
        first = ResidualBlock(before, width, stride=1 if i == 0 else 2)
        stages.append(nn.Sequential(first, ResidualBlock(width, width, stride=1)))
    stem = nn.Conv2d(channels, widths[0], 7, stride=2, padding=3, bias=False)
    pool = nn.MaxPool2d(3, 2, padding=1) if max_pool else nn.Identity()
    return nn.Sequential(stem, nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True), pool, *stages)
