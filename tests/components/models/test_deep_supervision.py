"""Coarser levels are taught, ignored voxels stay ignored, and the network keeps nothing of it."""

from __future__ import annotations

import pytest
import torch

from components.models.deep_supervision import AuxiliaryHeads, coarse_target, deep_loss, level_weights
from components.models.labeled import UNKNOWN
from components.models.segmentation_loss import segmentation_loss
from components.models.unet import UNet
from components.models.unet_config import UNetConfig

CONFIG = UNetConfig(classes=3, widths=(4, 6, 8, 10), stem_stride=2, heads=2)


def test_weights_halve_per_level_and_sum_to_one() -> None:
    assert level_weights(1) == [1.0]
    assert level_weights(3) == pytest.approx([4 / 7, 2 / 7, 1 / 7])


def test_auxiliary_heads_see_every_level_but_the_finest() -> None:
    network, auxiliary = UNet(CONFIG), AuxiliaryHeads(CONFIG)
    levels, embedding = network.decode(torch.randn(2, 1, 32, 32, 32))
    assert embedding.shape == (2, 20)
    shapes = [tuple(logits.shape) for logits in auxiliary(levels[:-1])]
    assert shapes == [(2, 2, 3, 4, 4, 4), (2, 2, 3, 8, 8, 8)]
    assert network.logits(levels[-1]).shape == (2, 2, 3, 32, 32, 32)


def test_the_network_holds_no_auxiliary_weight_and_answers_as_before() -> None:
    network = UNet(CONFIG).eval()
    assert not any("aux" in name for name in network.state_dict())
    x = torch.randn(2, 1, 32, 32, 32)
    levels, embedding = network.decode(x)
    logits, same = network(x)
    assert torch.equal(logits, network.logits(levels[-1]))
    assert torch.equal(embedding, same)


def test_a_coarse_target_picks_whole_voxels() -> None:
    target = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    target[:, 4:] = 2
    target[:, :, :, 4:] = UNKNOWN
    coarse = coarse_target(target, (2, 2, 2))
    assert coarse.shape == (1, 2, 2, 2)
    assert coarse[0, :, 0, 0].tolist() == [0, 2]
    assert set(coarse[0, :, :, 1].flatten().tolist()) == {UNKNOWN}
    assert torch.equal(coarse_target(target, (8, 8, 8)), target)


def test_no_level_learns_from_ignored_voxels() -> None:
    target = torch.randint(0, 3, (1, 8, 8, 8))
    target[:, :, :, :4] = UNKNOWN
    logits = [torch.randn(1, 2, 3, 8, 8, 8), torch.randn(1, 2, 3, 4, 4, 4)]
    first = deep_loss(logits, target, torch.ones(1, 2))
    for level, half in zip(logits, (4, 2), strict=True):
        level[..., :half] = torch.randn_like(level[..., :half])
    assert torch.equal(deep_loss(logits, target, torch.ones(1, 2)), first)


def test_the_loss_is_the_weighted_sum_of_its_levels() -> None:
    target, weight = torch.randint(0, 3, (2, 8, 8, 8)), torch.tensor([[1.0, 0.5], [0.0, 1.0]])
    fine, coarse = torch.randn(2, 2, 3, 8, 8, 8), torch.randn(2, 2, 3, 4, 4, 4)
    alone = segmentation_loss(fine, target, weight)
    assert torch.allclose(deep_loss([fine], target, weight), alone)
    below = segmentation_loss(coarse, target[:, 1::2, 1::2, 1::2], weight)
    assert torch.allclose(deep_loss([fine, coarse], target, weight), (2 * alone + below) / 3)
