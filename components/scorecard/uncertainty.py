"""How unsure a model is about one frame, in [0, 1]."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt


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
    flat = members.reshape(len(members), -1)
    sizes = np.stack([np.bincount(row, minlength=classes) for row in flat])
    shown = np.flatnonzero(sizes.any(axis=0))
    shown = shown[shown > 0]
    if len(flat) < 2 or shown.size == 0:
        return 1.0
    scores = []
    for i, j in combinations(range(len(flat)), 2):
        both = np.bincount(flat[i][flat[i] == flat[j]], minlength=classes)[shown]
        total = (sizes[i] + sizes[j])[shown]
        scores.append(np.where(total > 0, 2.0 * both / np.maximum(total, 1), 1.0).mean())
    return float(np.mean(scores))


def binary_entropy_bits(probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """-p log2 p - (1-p) log2 (1-p), elementwise; 0 at p = 0 and p = 1, 1 at p = 0.5."""
    p = np.clip(probability, 1e-12, 1.0 - 1e-12)
    return np.asarray(-(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p)))
