"""How unsure a model is about one frame, in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, eq=False)
class PairCounts:
    """Voxels that members label, for their Dice; counts of the parts of a volume add up.

    Args:
        sizes: ``(m, classes)`` voxels of each member's classes.
        shared: ``(pairs, classes)`` voxels to which both members of a pair give the class.
    """

    sizes: npt.NDArray[np.intp]
    shared: npt.NDArray[np.intp]

    @staticmethod
    def of(members: npt.NDArray[np.uint8], classes: int) -> PairCounts:
        """Of labels ``(m, z, y, x)`` below ``classes``; 0 is background."""
        flat = members.reshape(len(members), int(np.prod(members.shape[1:])))
        pairs = combinations(flat, 2)
        return PairCounts(
            sizes=_rows([np.bincount(row, minlength=classes) for row in flat], classes),
            shared=_rows([np.bincount(a[a == b], minlength=classes) for a, b in pairs], classes),
        )

    def __add__(self, other: PairCounts) -> PairCounts:
        return PairCounts(sizes=self.sizes + other.sizes, shared=self.shared + other.shared)

    def mean_dice(self) -> float:
        """See ``mean_pairwise_dice``."""
        shown = np.flatnonzero(self.sizes.any(axis=0))
        shown = shown[shown > 0]
        if len(self.sizes) < 2 or shown.size == 0:
            return 1.0
        scores = []
        for (i, j), both in zip(combinations(range(len(self.sizes)), 2), self.shared[:, shown], strict=True):
            total = (self.sizes[i] + self.sizes[j])[shown]
            scores.append(np.where(total > 0, 2.0 * both / np.maximum(total, 1), 1.0).mean())
        return float(np.mean(scores))


def mean_pairwise_dice(members: npt.NDArray[np.uint8], classes: int) -> float:
    """Agreement of an ensemble's hard labels (Zenk et al., MedIA 2025); 1 minus it is the uncertainty.

    The mean over unordered pairs of members, and over the structures that any member shows, of their Dice.

    Args:
        members: ``(m, z, y, x)`` labels below ``classes``; 0 is background.
        classes: structures and background.

    Returns:
        1.0 when no member shows anything or there is one member only; a structure that both members of
        a pair miss counts as 1 for that pair.
    """
    return PairCounts.of(members, classes).mean_dice()


def _rows(rows: list[npt.NDArray[np.intp]], classes: int) -> npt.NDArray[np.intp]:
    return np.stack(rows) if rows else np.zeros((0, classes), dtype=np.intp)


def binary_entropy_bits(probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """-p log2 p - (1-p) log2 (1-p), elementwise; 0 at p = 0 and p = 1, 1 at p = 0.5."""
    p = np.clip(probability, 1e-12, 1.0 - 1e-12)
    return np.asarray(-(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p)))
