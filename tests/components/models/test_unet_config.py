from itertools import product

import pytest
import torch

from components.errors import ParameterError
from components.models.unet import UNet
from components.models.unet_config import UNetConfig


@pytest.mark.parametrize(
    "wrong", [{"classes": 1}, {"classes": 2, "heads": 0}, {"classes": 2, "widths": (4,)}]
)
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ParameterError, match="train section"):
        UNetConfig(**wrong)


@pytest.mark.parametrize("config", [{"widths": (2, 4)}, {"widths": (2, 4, 4), "stem_stride": 1}])
def test_a_patch_is_refused_exactly_when_the_network_fails_on_it(config: dict[str, tuple[int, ...]]) -> None:
    sizes = UNetConfig(classes=2, **config)
    network = UNet(sizes)
    for patch in product((4, 6, 8, 11), repeat=3):
        try:
            sizes.check_patch(patch)
            refused = False
        except ParameterError:
            refused = True
        try:
            failed = network(torch.rand(1, 1, *patch))[0].shape[-3:] != patch
        except (RuntimeError, ValueError):
            failed = True
        assert refused == failed, patch


@pytest.mark.parametrize("patch", [(0, 32, 32), (-16, 32, 32)])
def test_a_patch_has_voxels(patch: tuple[int, int, int]) -> None:
    with pytest.raises(ParameterError):
        UNetConfig(classes=2).check_patch(patch)
