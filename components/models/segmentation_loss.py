"""Dice + cross-entropy per head, blind to ignored voxels, weighted by provenance.

Shapes: b batch, m members, k classes, s voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.models.labeled import UNKNOWN


def segmentation_loss(logits: Tensor, target: Tensor, weight_bm: Tensor) -> Tensor:
    """The weighted mean over the (sample, head) pairs of soft Dice loss + class-balanced cross-entropy.

    A voxel's cross-entropy counts as the inverse square root of its class's size in the sample, so that a
    vessel of few voxels is learnt before the background is perfect.

    Args:
        logits: ``(b, m, k, z, y, x)``.
        target: ``(b, z, y, x)`` int64; 255 is ignored.
        weight_bm: ``(b, m)`` at least 0; a head with weight 0 costs nothing and learns nothing.
    """
    sample, head = torch.nonzero(weight_bm, as_tuple=True)
    if sample.numel() == 0:
        return logits.sum() * 0.0
    log_p_pks = logits[sample, head].flatten(2).log_softmax(dim=1)
    target_ps = target[sample].flatten(1)
    known_ps = (target_ps != UNKNOWN).to(log_p_pks.dtype)
    target_ps = torch.where(target_ps == UNKNOWN, 0, target_ps)
    log_hit_ps = log_p_pks.gather(1, target_ps[:, None])[:, 0]
    nothing_pk = log_p_pks.new_zeros(len(log_p_pks), log_p_pks.shape[1])
    size_pk = nothing_pk.scatter_add(1, target_ps, known_ps)
    entropy_pk = nothing_pk.scatter_add(1, target_ps, -log_hit_ps * known_ps)
    overlap_pk = nothing_pk.scatter_add(1, target_ps, log_hit_ps.exp() * known_ps)
    predicted_pk = torch.einsum("pks,ps->pk", log_p_pks.exp(), known_ps)
    loss_p = _balanced(entropy_pk, size_pk) + _dice_loss(overlap_pk, predicted_pk, size_pk)
    weight_p = weight_bm[sample, head]
    return (weight_p * loss_p).sum() / weight_p.sum()


def _balanced(entropy_pk: Tensor, size_pk: Tensor) -> Tensor:
    """Mean cross-entropy with weights ∝ 1 / √size per class; 0 where nothing is known."""
    rarity_pk = size_pk.clamp_min(1.0).rsqrt()
    return (rarity_pk * entropy_pk).sum(dim=1) / (rarity_pk * size_pk).sum(dim=1).clamp_min(1e-8)


def _dice_loss(overlap_pk: Tensor, predicted_pk: Tensor, size_pk: Tensor) -> Tensor:
    """1 - mean soft Dice over the foreground classes that the target holds; 0 where it holds none."""
    present_pk = (size_pk[:, 1:] > 0).to(size_pk.dtype)
    total_pk = (predicted_pk + size_pk)[:, 1:].clamp_min(1e-5)
    dice_pk = 2.0 * overlap_pk[:, 1:] / total_pk
    count_p = present_pk.sum(dim=1)
    return (count_p - (dice_pk * present_pk).sum(dim=1)) / count_p.clamp_min(1.0)
