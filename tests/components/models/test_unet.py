import pytest
import torch

from components.models.unet import UNet, pool
from components.models.unet_config import UNetConfig


@pytest.mark.parametrize("stem_stride", [1, 2])
def test_shapes_and_every_head_gets_a_gradient(stem_stride: int) -> None:
    config = UNetConfig(classes=4, widths=(4, 8, 12), stem_stride=stem_stride, heads=3)
    network = UNet(config)
    assert config.stride == 4 * stem_stride
    logits, embedding = network(torch.randn(2, 1, 16, 24, 8))
    assert logits.shape == (2, 3, 4, 16, 24, 8)
    assert embedding.shape == (2, 24)
    logits.square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


def test_heads_start_from_different_weights() -> None:
    logits, _ = UNet(UNetConfig(classes=3, widths=(4, 8)))(torch.randn(1, 1, 8, 8, 8))
    assert not torch.allclose(logits[:, 0], logits[:, 1])


def test_pooled_embedding_has_unit_root_mean_square_and_tells_levels_apart() -> None:
    flat = torch.ones(1, 2, 4, 4, 4)
    assert torch.allclose(pool(flat), torch.tensor([[2.0, 2.0, 0.0, 0.0]]) ** 0.5)
    assert torch.allclose(pool(torch.randn(5, 3, 4, 4, 4)).square().mean(dim=1), torch.ones(5))
