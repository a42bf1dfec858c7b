import dataclasses

import pytest
import torch

from components.errors import ParameterError
from components.models.ct_scroll import PUBLISHED, CTScroll, CTScrollConfig, local_mask

SMALL = CTScrollConfig(labels=5, widths=(4, 8), embedding=16, heads=4, window=2, hidden=8)


def test_the_published_configuration_has_the_published_size() -> None:
    with torch.device("meta"):
        network = CTScroll(PUBLISHED).eval()
        logits, embedding = network(torch.zeros(1, 240, 480, 480))
    assert sum(p.numel() for p in network.parameters()) == 16_239_058
    assert logits.shape == (1, 18)
    assert embedding.shape == (1, 512)


def test_backbone_has_the_parameter_names_of_the_published_checkpoint() -> None:
    with torch.device("meta"):
        names = set(CTScroll(PUBLISHED).state_dict())
    assert {"features.0.weight", "features.1.weight", "features.4.0.conv1.weight"} <= names
    assert {"features.7.0.downsample.0.weight", "features.7.1.bn2.running_var", "classifier.3.bias"} <= names


@pytest.mark.parametrize("window", [1, 15])
def test_local_masks_see_exactly_their_window(window: int) -> None:
    mask = local_mask(40, window)
    for i in range(40):
        assert mask[i].nonzero().flatten().tolist() == list(range(max(0, i - window), i + 1))
        assert mask.T[i].nonzero().flatten().tolist() == list(range(i, min(39, i + window) + 1))


def test_local_blocks_look_only_where_they_may() -> None:
    torch.manual_seed(0)
    block = CTScroll(SMALL).eval().blocks[0]
    masks = block._local_masks(8, torch.device("cpu"))
    assert masks["global"] is None
    tokens = torch.randn(1, 8, 16)
    for part, mask in (
        (block.caudal_cranial_block, masks["below"]),
        (block.cranial_caudal_block, masks["above"]),
    ):
        plain = part(tokens, mask)
        for j in range(8):
            touched = tokens.clone()
            touched[0, j] = torch.randn(16)
            moved = (part(touched, mask) - plain).abs().sum(dim=2)[0] > 1e-6
            assert torch.equal(moved, mask[:, j])


def test_masks_are_made_once_per_length() -> None:
    block = CTScroll(SMALL).blocks[0]
    one, two = (block._local_masks(8, torch.device("cpu"))["below"] for _ in range(2))
    assert one is two


def test_padding_never_changes_the_answer() -> None:
    torch.manual_seed(0)
    network = CTScroll(SMALL).eval()
    volume = torch.randn(2, 12, 32, 32)
    plain, pooled = network(volume)
    for fill in (0.0, 50.0):
        padded = torch.cat(
            (torch.full((2, 6, 32, 32), fill), volume, torch.full((2, 3, 32, 32), fill)), dim=1
        )
        valid = torch.tensor([[False] * 2 + [True] * 4 + [False]] * 2)
        logits, features = network(padded, valid)
        assert torch.allclose(logits, plain, atol=1e-5)
        assert torch.allclose(features, pooled, atol=1e-5)


def test_padding_counts_in_the_published_setting() -> None:
    torch.manual_seed(0)
    network = CTScroll(dataclasses.replace(SMALL, mask_padding=False)).eval()
    volume, valid = torch.randn(1, 12, 32, 32), torch.tensor([[True, True, True, False]])
    assert torch.equal(network(volume, valid)[0], network(volume)[0])


def test_passes_of_few_triplets_give_the_same_answer() -> None:
    torch.manual_seed(0)
    network = CTScroll(SMALL).eval()
    few = CTScroll(dataclasses.replace(SMALL, tokens_at_once=3)).eval()
    few.load_state_dict(network.state_dict())
    volume = torch.randn(2, 15, 32, 32)
    assert torch.allclose(network(volume)[0], few(volume)[0], atol=1e-6)


def test_rows_may_run_along_the_other_axis() -> None:
    torch.manual_seed(0)
    network = CTScroll(SMALL).eval()
    turned = CTScroll(dataclasses.replace(SMALL, rows_right_left=True)).eval()
    turned.load_state_dict(network.state_dict())
    volume = torch.randn(1, 6, 32, 32)
    assert torch.equal(network(volume)[0], turned(volume.transpose(2, 3))[0])


def test_odd_slices_and_impossible_sizes_are_refused() -> None:
    with pytest.raises(ParameterError, match="multiple of 3 slices"):
        CTScroll(SMALL)(torch.zeros(1, 10, 32, 32))
    with pytest.raises(ParameterError, match="multiple of the heads"):
        CTScrollConfig(labels=2, embedding=10, heads=4)
