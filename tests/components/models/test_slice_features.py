"""However the work is divided, features, gradients and statistics are those of one pass."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from components.models.slice_backbone import slice_backbone
from components.models.slice_features import _fast, freeze_statistics, pooled_features


def backbone(widths: tuple[int, ...] = (8, 16)) -> nn.Sequential:
    torch.manual_seed(0)
    network = slice_backbone(3, widths)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.normal_(layer.running_mean)
    return network


def images(n: int = 7) -> Tensor:
    return torch.randn(n, 3, 24, 32, generator=torch.Generator().manual_seed(1))


def plain(network: nn.Sequential, x: Tensor) -> Tensor:
    return network(x).mean(dim=(2, 3))


@pytest.mark.parametrize("at_once", [0, 1, 3, 100])
def test_parts_give_what_the_whole_gives(at_once: int) -> None:
    network = backbone().eval()
    with torch.no_grad():
        torch.testing.assert_close(
            pooled_features(network, images(), at_once=at_once), plain(network, images())
        )


def test_air_is_computed_once_and_lands_everywhere_it_lies() -> None:
    network, x = backbone().eval(), images()
    x[[0, 3, 6]], x[5] = -0.449, 0.551
    seen: list[int] = []
    network[0].register_forward_hook(lambda _layer, inputs, _output: seen.append(len(inputs[0])))
    with torch.no_grad():
        found = pooled_features(network, x)
        assert seen == [5]
        torch.testing.assert_close(found, plain(network, x))


Gradients = dict[str, Tensor]


def gradients(network: nn.Sequential, **how: object) -> tuple[Gradients, dict[str, Tensor]]:
    """Of the sum of squared features, and the buffers afterwards."""
    network = copy.deepcopy(network)
    pooled = pooled_features(network, images(), **how) if how else plain(network, images())  # type: ignore[arg-type]
    pooled.square().sum().backward()
    found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return found, dict(network.named_buffers())


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("at_once", [0, 2])
def test_training_divided_and_recomputed_is_training(frozen: bool, recompute: bool, at_once: int) -> None:
    network = backbone().train()
    if frozen:
        freeze_statistics(network)
    expected, statistics = gradients(network)
    found, kept = gradients(network, at_once=at_once, recompute=recompute)
    assert found.keys() == expected.keys() == dict(network.named_parameters()).keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-4)
    for name in statistics:
        torch.testing.assert_close(kept[name], statistics[name])
    changed = not torch.equal(statistics["1.running_mean"], dict(network.named_buffers())["1.running_mean"])
    assert changed is not frozen


def test_channels_last_only_where_its_backward_pass_is_sound() -> None:
    assert _fast(images(), backbone()).is_contiguous(memory_format=torch.channels_last)
    assert _fast(images(), backbone((4, 8))).is_contiguous()
