"""VICReg's terms against loops over images and features, and what its gradient does to embeddings that collapse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from components.models.vicreg import covariance_term, expander, of_all_processes, variance_term, vicreg_loss


def by_loops(one: np.ndarray, other: np.ndarray) -> float:
    """Eqs. 1 to 6 as they are written, with the authors' divisions."""
    n, d = one.shape
    alike = sum((one[i, j] - other[i, j]) ** 2 for i in range(n) for j in range(d)) / (n * d)
    spread = distinct = 0.0
    for z in (one, other):
        mean = [sum(z[:, j]) / n for j in range(d)]
        covariance = [
            [sum((z[i, j] - mean[j]) * (z[i, k] - mean[k]) for i in range(n)) / (n - 1) for k in range(d)]
            for j in range(d)
        ]
        spread += sum(max(0.0, 1.0 - math.sqrt(covariance[j][j] + 1e-4)) for j in range(d)) / d
        distinct += sum(covariance[j][k] ** 2 for j in range(d) for k in range(d) if j != k) / d
    return 25.0 * alike + 25.0 * spread / 2 + distinct


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_it_is_the_sum_of_the_papers_equations(scale: float) -> None:
    generator = np.random.default_rng(0)
    one = (generator.normal(size=(7, 5)) * scale * np.arange(1, 6)).astype(np.float32)
    other = (one + generator.normal(size=(7, 5))).astype(np.float32)
    found = vicreg_loss(torch.from_numpy(one), torch.from_numpy(other)).item()
    assert found == pytest.approx(by_loops(one.astype(float), other.astype(float)), rel=1e-5)


def test_features_that_are_spread_and_distinct_cost_nothing() -> None:
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert vicreg_loss(signs, signs).item() == 0.0
    twice = signs[:, :1].repeat(1, 3)  # three features that say the same, each of variance 4 / 3
    assert covariance_term(twice).item() == pytest.approx(2 * (4 / 3) ** 2)


def test_collapsed_embeddings_cost_the_most_and_are_pushed_apart() -> None:
    constant = torch.full((6, 4), 3.0)
    assert variance_term(constant).item() == pytest.approx(0.99)
    assert vicreg_loss(constant, constant).item() == pytest.approx(25.0 * 0.99)
    nearly = (
        constant + 1e-3 * torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    ).requires_grad_()
    before = nearly.std(dim=0)
    (gradient,) = torch.autograd.grad(vicreg_loss(nearly, nearly), nearly)
    assert bool(((nearly - 1e-3 * gradient).std(dim=0) > before).all())
    alone = (nearly.detach() - nearly.detach().mean(dim=0)) * gradient
    assert bool(
        (alone.sum(dim=0) < 0).all()
    )  # against the gradient is away from the mean, feature by feature


def test_it_is_computed_in_float32_where_all_else_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(32, 8, generator=generator) for _ in range(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = vicreg_loss(one, other)
    assert torch.equal(mixed, vicreg_loss(one, other))


def test_the_expander_has_three_layers_and_one_process_gathers_its_own_rows() -> None:
    z = expander(6, 10)(torch.randn(4, 6))
    assert z.shape == (4, 10)
    assert sum(isinstance(layer, torch.nn.Linear) for layer in expander(6, 10)) == 3
    assert of_all_processes(z) is z
