"""Signals of uncertainty from one pass of a segmenter, summed slab by slab.

Means are taken where a structure may be (the mean probability of background is below 0.95) and at the predicted
surfaces, so that air around the body, which makes volumes large, changes nothing. Shapes: k classes, n voxels, z y x
space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from components.models.sliding_window import Slab
from components.scorecard.columns import CLASS_SCORE

SURELY_BACKGROUND = 0.95
_AT_ONCE = 16384  # voxels: what stays in the processor's cache takes a third of the time


@dataclass(kw_only=True)
class PassSignals:
    """Args:
    structures: names of the classes 1, 2, … in order.
    members: whether there are several, so that their disagreement means something.
    """

    structures: Sequence[str]
    members: bool
    _sums: dict[str, Tensor] = field(default_factory=dict)
    _last: Tensor | None = None

    def add(self, slab: Slab, labels_zyx: Tensor) -> None:
        """The next slab along z, and the labels of its mean probabilities."""
        known = ~slab.entropy.isnan() if slab.entropy.numel() else None
        maybe = slab.sums[0] < SURELY_BACKGROUND * slab.weight
        surface = _surface(labels_zyx, self._last)
        self._last = labels_zyx[-1].clone() if len(labels_zyx) else self._last
        if known is not None:
            maybe, surface = maybe & known, surface & known
        self._count("voxels", maybe.sum())
        self._count("surface voxels", surface.sum())
        for place_n in torch.split((maybe | surface).flatten().nonzero().squeeze(1), _AT_ONCE):
            self._add_voxels(
                slab, place_n, _at(maybe, place_n).float(), _at(surface, place_n).float(), labels_zyx
            )

    def _add_voxels(
        self, slab: Slab, place_n: Tensor, maybe_n: Tensor, surface_n: Tensor, labels_zyx: Tensor
    ) -> None:
        """The voxels at ``place_n`` of the flat slab: where a structure may be, at a surface, or both (1, else 0)."""
        weight_n, label_n = _at(slab.weight, place_n), _at(labels_zyx, place_n).long()
        share_kn = slab.sums.flatten(1).index_select(1, place_n) / weight_n
        entropy_n = _entropy(share_kn)
        own_n = share_kn.gather(0, label_n[None])[0] * maybe_n
        nothing_k = share_kn.new_zeros(len(share_kn))
        self._count("entropy", entropy_n @ maybe_n)
        self._count("surface entropy", entropy_n @ surface_n)
        self._count("class scores", share_kn @ (entropy_n * maybe_n))
        self._count("shared", nothing_k.scatter_add(0, label_n, own_n))
        self._count("drawn", nothing_k.scatter_add(0, label_n, maybe_n))
        self._count("probable", share_kn @ maybe_n)
        if self.members:
            information_n = (entropy_n - _at(slab.entropy, place_n) / weight_n).clamp_min(0.0)
            self._count("information", information_n @ maybe_n)

    def _count(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums.get(name, torch.zeros((), dtype=torch.float64)) + value.double().cpu()

    def read(self) -> dict[str, float]:
        """Column of the scorecard → value; NaN where there is no such voxel.

        ``predictive_entropy``, ``boundary_entropy``, ``expected_dice``, ``class_score_*`` and, with several members,
        ``mutual_information``; see ``components.scorecard.columns``.
        """
        voxels = self._sums["voxels"]
        scores = self._sums["class scores"] / voxels
        found = {
            "predictive_entropy": float(self._sums["entropy"] / voxels),
            "boundary_entropy": float(self._sums["surface entropy"] / self._sums["surface voxels"]),
            "expected_dice": self._expected_dice(),
            **{
                f"{CLASS_SCORE}{name}": float(score)
                for name, score in zip(self.structures, scores[1:], strict=True)
            },
        }
        return found | (
            {"mutual_information": float(self._sums["information"] / voxels)} if self.members else {}
        )

    def _expected_dice(self) -> float:
        """The mean over structures of 2 Σ p over the drawn voxels / (drawn voxels + Σ p).

        The Dice that the probabilities themselves let expect (soft Dice confidence: Borges et al. 2024). Structures of
        which less than one voxel is drawn or probable are left out.
        """
        shared, drawn, probable = (self._sums[name][1:].numpy() for name in ("shared", "drawn", "probable"))
        shown = drawn + probable >= 1.0
        if not shown.any():
            return float("nan")
        return float(np.mean(2.0 * shared[shown] / (drawn + probable)[shown]))


def _at(values_zyx: Tensor, place_n: Tensor) -> Tensor:
    return values_zyx.flatten().index_select(0, place_n)


def _entropy(share_kn: Tensor) -> Tensor:
    """``(n,)`` in nats; twice as fast as ``torch.special.entr``."""
    return (share_kn * share_kn.clamp_min(torch.finfo(share_kn.dtype).tiny).log()).sum(dim=0).neg()


def _surface(labels_zyx: Tensor, before_yx: Tensor | None) -> Tensor:
    """Voxels whose label is not that of the one before them along some axis; ``before_yx`` precedes the first slice."""
    found = torch.zeros_like(labels_zyx, dtype=torch.bool)
    found[1:] = labels_zyx[1:] != labels_zyx[:-1]
    found[:, 1:] |= labels_zyx[:, 1:] != labels_zyx[:, :-1]
    found[:, :, 1:] |= labels_zyx[:, :, 1:] != labels_zyx[:, :, :-1]
    if before_yx is not None and len(labels_zyx):
        found[0] |= labels_zyx[0] != before_yx
    return found
