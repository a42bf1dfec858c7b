import numpy as np
import pytest
import torch
from torch import Tensor

from components.models.sliding_window import blended_slabs, most_probable
from components.models.unet import UNet
from components.models.unet_config import UNetConfig


def voxelwise(x: Tensor) -> tuple[Tensor, Tensor]:
    """Two score maps that depend on each voxel alone, so that any tiling must give the same answer."""
    return torch.cat((x, 1 - x), dim=1)[:, None], x.flatten(1).mean(dim=1, keepdim=True)


@pytest.mark.parametrize("shape", [(8, 8, 8), (19, 13, 30), (5, 40, 9)])
def test_tiles_of_a_voxelwise_network_give_the_whole_volume(shape: tuple[int, int, int]) -> None:
    volume = torch.rand(shape)
    slabs = [scores for scores, _ in blended_slabs(voxelwise, volume, patch=(8, 8, 8), stride=4)]
    joined = torch.cat(slabs, dim=-3)
    assert joined.shape == (1, 2, *shape)
    assert torch.allclose(joined[0, 0], volume, atol=1e-6)


def test_a_volume_that_fits_is_one_pass() -> None:
    calls = []

    def infer(x: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(tuple(x.shape[2:]))
        return voxelwise(x)

    slabs = list(blended_slabs(infer, torch.rand(10, 12, 7), patch=(16, 16, 16), stride=4))
    assert calls == [(12, 12, 8)]
    assert len(slabs) == 1
    assert slabs[0][0].shape[-3:] == (10, 12, 7)


def test_a_long_volume_leaves_in_slabs_no_deeper_than_a_window() -> None:
    slabs = list(blended_slabs(voxelwise, torch.rand(100, 8, 8), patch=(16, 8, 8), stride=4))
    assert max(scores.shape[-3] for scores, _ in slabs) <= 16
    assert sum(scores.shape[-3] for scores, _ in slabs) == 100
    assert all(len(embeddings) == 1 for _, embeddings in slabs)


@pytest.mark.parametrize("shape", [(3, 4, 2), (4, 5, 4), (9, 1, 1)])
@pytest.mark.parametrize("patch", [(16, 16, 16), (4, 4, 4), (7, 5, 9)])
def test_the_network_sees_the_smallest_frames(
    shape: tuple[int, int, int], patch: tuple[int, int, int]
) -> None:
    network = UNet(UNetConfig(classes=2, widths=(4, 8))).eval()
    with torch.inference_mode():
        slabs = list(blended_slabs(network, torch.rand(shape), patch=patch, stride=network.config.stride))
    assert torch.cat([scores for scores, _ in slabs], dim=-3).shape == (3, 2, *shape)


def test_the_most_probable_class_and_the_first_of_equals() -> None:
    scores = torch.tensor([[0.2, 0.5, 0.4], [0.7, 0.5, 0.1], [0.1, 0.0, 0.5]])
    assert most_probable(scores).tolist() == [1, 0, 2]
    many = torch.randn(8, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(most_probable(many), np.argmax(many.numpy(), axis=0))
