"""VICReg (Bardes, Ponce and LeCun, ICLR 2022, arXiv 2105.04906): two views of one image shall be alike, images apart.

It needs no negatives, no large batch and no teacher. The equations are the paper's; as in the authors' code, to which
the weights 25, 25, 1 belong, the invariance term is also divided by d and the variance term by the two views.
Shapes: n images, d features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn

INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0
_SPREAD = 1.0  # γ of eq. 1: the standard deviation that every feature shall have
_EPSILON = 1e-4  # of eq. 2


def vicreg_loss(one_nd: Tensor, other_nd: Tensor) -> Tensor:
    """Eq. 6 for the embeddings of two views, row by row of the same images; in float32 whatever surrounds it."""
    with torch.autocast(one_nd.device.type, enabled=False):
        one_nd, other_nd = one_nd.float(), other_nd.float()
        alike = (one_nd - other_nd).square().mean()
        spread = (variance_term(one_nd) + variance_term(other_nd)) / 2
        distinct = covariance_term(one_nd) + covariance_term(other_nd)
        return INVARIANCE * alike + VARIANCE * spread + COVARIANCE * distinct


def variance_term(z_nd: Tensor) -> Tensor:
    """Eqs. 1 and 2: by how much the features' standard deviations over the images fall short of 1, on average."""
    return (_SPREAD - (z_nd.var(dim=0) + _EPSILON).sqrt()).relu().mean()


def covariance_term(z_nd: Tensor) -> Tensor:
    """Eqs. 3 and 4: the squared covariances of different features, summed and divided by d."""
    n, d = z_nd.shape
    centred = z_nd - z_nd.mean(dim=0)
    covariance_dd = centred.T @ centred / (n - 1)
    return (covariance_dd.square().sum() - covariance_dd.diagonal().square().sum()) / d


def expander(features: int, width: int) -> nn.Sequential:
    """``(n, features)`` → ``(n, width)``: the three layers that only pretraining has."""
    return nn.Sequential(
        nn.Linear(features, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
        nn.Linear(width, width, bias=False),
    )  # fmt: skip


def of_all_processes(z_nd: Tensor) -> Tensor:
    """The rows of all processes that share a batch; gradients find back, so that their mean is the whole batch's."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return z_nd
    rows: Tensor = _Gathered.apply(z_nd)  # type: ignore[no-untyped-call]
    return rows


class _Gathered(torch.autograd.Function):
    """Every process holds the loss of all rows: their gradients for one's own rows add up."""

    @staticmethod
    def forward(_ctx: Any, z_nd: Tensor) -> Tensor:
        parts = [torch.empty_like(z_nd) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, z_nd.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(_ctx: Any, gradient_nd: Tensor) -> Tensor:
        whole = gradient_nd.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(whole)
        return whole.chunk(distributed.get_world_size())[distributed.get_rank()]
