"""A 3D residual network whose weights are those of a 2D one, inflated along z (Carreira and Zisserman 2017, I3D).

The plain rival of CT-Scroll. The three input channels of the 2D stem become three taps along z, which is how
CT-Scroll's backbone sees a triplet; every other kernel is repeated along z and divided by its length, so that a
volume that does not change along z gives, away from its ends, what the 2D network gives.
Shapes: b batch, z h w space, f features, l labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.errors import ParameterError
from components.models.slice_backbone import slice_backbone

_TAPS = 3  # along z, of every kernel that is larger than 1


@dataclass(frozen=True, kw_only=True)
class InflatedConfig:
    """Args:
    labels: findings.
    widths, max_pool: of the residual stages, see ``slice_backbone``.
    hidden: width of the classifier's hidden layer.
    classifier_dropout: probability in training.
    """

    labels: int
    widths: tuple[int, ...] = (64, 128, 256, 512)
    max_pool: bool = True
    hidden: int = 128
    classifier_dropout: float = 0.5
    kind: Literal["inflated-cnn"] = "inflated-cnn"

    def __post_init__(self) -> None:
        if min(self.labels, self.hidden, *self.widths, len(self.widths)) < 1:
            raise ParameterError(
                expected="positive sizes",
                got=repr(self),
                hint="correcting the train section of params.yaml",
            )


class InflatedCNN(nn.Module):
    """Volume ``(b, z, y, x)`` window units → logits ``(b, l)`` and the mean features ``(b, f)``.

    Air beside the scan is seen like any other: ``valid_bt`` has no effect.
    """

    def __init__(self, config: InflatedConfig) -> None:
        super().__init__()
        self.config = config
        self.features = inflated(slice_backbone(_TAPS, config.widths, max_pool=config.max_pool))
        self.classifier = nn.Sequential(
            nn.Linear(config.widths[-1], config.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.classifier_dropout),
            nn.Linear(config.hidden, config.labels),
        )

    def forward(self, x_bzyx: Tensor, valid_bt: Tensor | None = None) -> tuple[Tensor, Tensor]:
        pooled_bf = self.features(x_bzyx[:, None]).mean(dim=(2, 3, 4))
        return self.classifier(pooled_bf), pooled_bf

    def start_from(self, backbone: nn.Sequential) -> None:
        """Take over the weights of a 2D ``slice_backbone`` with three channels and the same widths."""
        self.features.load_state_dict(inflated(backbone).state_dict())


class _Block(nn.Module):
    """As ``ResidualBlock``, in 3D."""

    def __init__(self, flat: nn.Module) -> None:
        super().__init__()
        for name, layer in flat.named_children():
            self.add_module(name, _layer(layer))

    def forward(self, x_bczhw: Tensor) -> Tensor:
        parts = dict(self.named_children())
        h = functional.relu(parts["bn1"](parts["conv1"](x_bczhw)))
        return functional.relu(parts["bn2"](parts["conv2"](h)) + parts["downsample"](x_bczhw))


def inflated(backbone: nn.Sequential) -> nn.Sequential:
    """The 3D network of a 2D ``slice_backbone``: ``(b, 1, z, h, w)`` → ``(b, f, z', h', w')``."""
    stem, *others = backbone.children()
    assert isinstance(stem, nn.Conv2d)
    return nn.Sequential(_stem(stem), *(_layer(layer) for layer in others))


def _layer(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.Conv2d):
        return _convolution(layer)
    if isinstance(layer, nn.BatchNorm2d):
        norm = nn.BatchNorm3d(layer.num_features, eps=layer.eps, momentum=layer.momentum)
        norm.load_state_dict(layer.state_dict())
        return norm
    if isinstance(layer, nn.MaxPool2d):
        return nn.MaxPool3d(3, 2, padding=1)
    if isinstance(layer, nn.Sequential):
        return nn.Sequential(*(_layer(inner) for inner in layer))
    return _Block(layer) if list(layer.children()) else layer


def _stem(flat: nn.Conv2d) -> nn.Conv3d:
    side, stride = flat.kernel_size[0], flat.stride[0]
    around = side // 2
    stem = nn.Conv3d(
        1, flat.out_channels, (_TAPS, side, side), stride=(1, stride, stride), padding=(1, around, around),
        bias=False,
    )  # fmt: skip
    with torch.no_grad():
        stem.weight.copy_(flat.weight[:, None])
    return stem


def _convolution(flat: nn.Conv2d) -> nn.Conv3d:
    side, stride = flat.kernel_size[0], flat.stride[0]
    deep = nn.Conv3d(flat.in_channels, flat.out_channels, side, stride=stride, padding=side // 2, bias=False)
    with torch.no_grad():
        deep.weight.copy_(flat.weight[:, :, None].expand_as(deep.weight) / side)
    return deep
