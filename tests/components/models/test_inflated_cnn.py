"""An inflated network sees in a volume without change along z what the 2D network sees in a slice."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from components.errors import ParameterError
from components.models.inflated_cnn import InflatedCNN, InflatedConfig, inflated
from components.models.slice_backbone import slice_backbone


def random_statistics(network: nn.Module) -> nn.Module:
    """So that batch norm does something."""
    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.copy_(torch.randn(layer.num_features, generator=generator) / 10)
            layer.running_var.copy_(torch.rand(layer.num_features, generator=generator) + 0.5)
    return network.eval()


@pytest.mark.parametrize("max_pool", [True, False])
def test_away_from_the_ends_it_gives_what_the_flat_network_gives(max_pool: bool) -> None:
    torch.manual_seed(0)
    flat = random_statistics(slice_backbone(3, (4, 8), max_pool=max_pool))
    slice_hw = torch.rand(32, 32)
    volume = slice_hw.expand(1, 1, 64, 32, 32)
    with torch.inference_mode():
        expected = flat(slice_hw.expand(1, 3, 32, 32))[0]
        found = inflated(flat).eval()(volume)[0]
    middle = found[:, found.shape[1] // 2]
    assert torch.allclose(middle, expected, atol=1e-5)
    assert not torch.allclose(found[:, 0], expected, atol=1e-3)  # zeros beyond the first slice


def test_the_stem_sees_a_triplet_as_ct_scroll_does() -> None:
    torch.manual_seed(0)
    flat = slice_backbone(3, (4, 8)).eval()
    volume = torch.rand(9, 32, 32)
    with torch.inference_mode():
        deep = inflated(flat).eval()[0](volume[None, None])[0]
        triplet = flat[0](volume[3:6][None])[0]
    assert torch.allclose(deep[:, 4], triplet, atol=1e-5)


def test_it_takes_over_the_weights_of_a_flat_network() -> None:
    torch.manual_seed(0)
    network = InflatedCNN(InflatedConfig(labels=2, widths=(4, 8))).eval()
    flat = random_statistics(slice_backbone(3, (4, 8)))
    network.start_from(flat)
    x = torch.rand(1, 6, 32, 32)
    with torch.inference_mode():
        expected = inflated(flat).eval()(x[:, None]).mean(dim=(2, 3, 4))
        logits, pooled = network(x)
    assert logits.shape == (1, 2)
    assert torch.allclose(pooled, expected)


def test_sizes_that_make_no_network_are_refused() -> None:
    for wrong in ({"labels": 0}, {"labels": 1, "widths": ()}, {"labels": 1, "hidden": 0}):
        with pytest.raises(ParameterError, match="positive sizes"):
            InflatedConfig(**wrong)
