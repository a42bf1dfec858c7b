from itertools import pairwise

import pytest
import torch

from components.models.optimiser import adamw, rate_factor
from components.models.training_plan import Schedule


@pytest.mark.parametrize("schedule", ["cosine", "polynomial"])
def test_the_rate_rises_then_falls_to_nothing(schedule: Schedule) -> None:
    factors = [rate_factor(step, 100, schedule) for step in range(101)]
    assert factors[4] == 1.0
    assert factors[0] == pytest.approx(0.2)
    assert factors[100] == pytest.approx(0.0)
    assert all(a >= b for a, b in pairwise(factors[5:]))


def test_polynomial_is_torchs_after_the_warm_up() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.PolynomialLR(optimiser, total_iters=95, power=0.9)
    for step in range(5, 101):
        assert rate_factor(step, 100, "polynomial") == pytest.approx(reference.get_last_lr()[0], abs=1e-6)
        optimiser.step()
        reference.step()


def test_vectors_are_not_decayed() -> None:
    layer = torch.nn.Linear(3, 2)
    groups = adamw(layer.parameters(), rate=0.1, weight_decay=0.5, steps=10)["optimizer"].param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.5), (1, 0.0)]
