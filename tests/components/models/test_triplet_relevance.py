"""The relevance of a triplet against brute force through the whole network, and against Shapley's value."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.slice_features import pooled_features
from components.models.triplet_relevance import logits_without, triplet_relevance
from tests.components.models.marked_scans import scan, trained

AIR = -0.449
CONFIG = CTScrollConfig(labels=3, widths=(8, 16), embedding=16, heads=4, window=2, hidden=8)


def network(config: CTScrollConfig = CONFIG) -> CTScroll:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CTScroll(config).eval()


def image(triplets: int) -> torch.Tensor:
    return torch.rand((1, 3 * triplets, 32, 32), generator=torch.Generator().manual_seed(1)) + AIR


@torch.inference_mode()
def features(net: CTScroll, x_bzyx: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.cat([net.triplets(x_bzyx), torch.full((1, 3, 32, 32), AIR)])
    pooled = pooled_features(net.features, images)
    return pooled[:-1], pooled[-1]


@torch.inference_mode()
@pytest.mark.parametrize("mask_padding", [True, False])
def test_is_the_change_of_the_logit_through_the_whole_network(mask_padding: bool) -> None:
    net, x = network(dataclasses.replace(CONFIG, mask_padding=mask_padding)), image(10)
    real = torch.tensor([False] + [True] * 8 + [False])
    x[:, :3] = x[:, -3:] = AIR
    relevance = triplet_relevance(net, *features(net, x), real)

    def logits(kept: list[int]) -> torch.Tensor:
        """Others are masked where padding is, and air where it is not."""
        left = torch.full_like(x, AIR)
        for triplet in kept:
            left[:, 3 * triplet : 3 * triplet + 3] = x[:, 3 * triplet : 3 * triplet + 3]
        seen = torch.tensor([[triplet in kept for triplet in range(10)]])
        return net(left, seen if mask_padding and kept else real[None])[0][0]

    everything = list(range(1, 9))
    for triplet in everything:
        last = logits(everything) - logits([other for other in everything if other != triplet])
        first = logits([triplet]) - logits([])
        torch.testing.assert_close(relevance[:, triplet], (first + last) / 2, atol=1e-5, rtol=0)
    assert not relevance[:, [0, 9]].any()
    assert relevance[:, 1:9].abs().max() > 1e-3


def test_two_triplets_have_shapleys_values_whose_sum_is_the_whole_difference() -> None:
    net, x = network(), image(5)
    real = torch.tensor([False, True, False, True, False])
    pooled, air = features(net, x)
    ends = logits_without(net, pooled, air, real, torch.tensor([[False] * 5, [True] * 5]))
    relevance = triplet_relevance(net, pooled, air, real)
    torch.testing.assert_close(relevance.sum(dim=1), ends[0] - ends[1], atol=1e-6, rtol=0)


def test_a_triplet_that_looks_like_air_says_nothing() -> None:
    net, x = network(dataclasses.replace(CONFIG, mask_padding=False)), image(6)
    pooled, air = features(net, x)
    pooled = torch.where(torch.arange(6)[:, None] == 3, pooled, air)
    relevance = triplet_relevance(net, pooled, air, torch.ones(6, dtype=torch.bool))
    assert relevance[:, 3].abs().min() > 1e-4
    assert relevance[:, [0, 1, 2, 4, 5]].abs().max() < 1e-6


def test_two_triplets_that_say_the_same_share_it() -> None:
    """One of them alone says it all (a logical or): leaving out either changes nothing."""

    class Either(CTScroll):
        def judge(
            self, pooled_btf: torch.Tensor, valid_bt: torch.Tensor | None = None
        ) -> tuple[torch.Tensor, torch.Tensor]:
            assert valid_bt is not None
            found = (pooled_btf * valid_bt[..., None]).amax(dim=1)
            return found[:, :3], found

    pooled = torch.zeros(4, 16)
    pooled[1, 0] = pooled[2, 0] = 4.0
    pooled[3, 1] = 2.0
    relevance = triplet_relevance(Either(CONFIG), pooled, torch.zeros(16), torch.ones(4, dtype=torch.bool))
    assert relevance.tolist() == [[0, 2, 2, 0], [0, 0, 0, 2], [0, 0, 0, 0]]


def test_a_trained_network_points_at_the_triplet_with_the_square() -> None:
    generator, right, called = np.random.default_rng(5), 0, 0
    for _ in range(20):
        where = {place: 3 * int(generator.integers(8)) for place in range(2)}
        relevance = trained().explain(scan(generator, slices=24, marked=where))
        for place, name in enumerate(relevance.findings):
            if relevance.probabilities[name] > 0.5:
                called += 1
                right += relevance.top(name) == where[place] // 3
    assert called >= 30
    assert right >= 0.9 * called
