from itertools import pairwise

import pytest
import torch

from components.models.optimiser import adamw_cosine, cosine_factor


def test_the_rate_rises_then_falls_to_nothing() -> None:
    factors = [cosine_factor(step, 100) for step in range(101)]
    assert factors[4] == 1.0
    assert factors[0] == pytest.approx(0.2)
    assert factors[100] == pytest.approx(0.0)
    assert all(a >= b for a, b in pairwise(factors[5:]))


def test_vectors_are_not_decayed() -> None:
    layer = torch.nn.Linear(3, 2)
    groups = adamw_cosine(layer.parameters(), rate=0.1, weight_decay=0.5, steps=10)["optimizer"].param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.5), (1, 0.0)]
