"""Temporal regularisation of a cine with a bound: clear evidence of a frame is never overruled.

Every voxel of a frame has a first and a second class, and a margin, the difference of their probabilities in
[0, 1]. The neighbouring frames of the cycle may move that margin towards theirs, by at most ``margin``; where it
falls below 0 the second class takes the voxel. So a label changes only where the frame's own margin is below
``margin``, and only to the class that the frame itself holds second. Smoothness alone proves nothing: a frozen
mask is perfectly smooth. The rule is our choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError

Labels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TemporalSmoothing:
    """Args:
    strength: share of the way from the frame's margin to its neighbours' mean, in [0, 1]; 0 = off.
    margin: the most that a margin may be moved, in probability, in [0, 1].
    """

    strength: float = 0.0
    margin: float = 0.2

    def __post_init__(self) -> None:
        if not (0.0 <= self.strength <= 1.0 and 0.0 <= self.margin <= 1.0):
            raise ParameterError(
                expected="a strength and a margin in [0, 1]",
                got=f"strength {self.strength}, margin {self.margin}",
                hint="temporal: {strength: 0.5, margin: 0.2}",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class TopTwo:
    """A frame's two most probable classes at each voxel: 4 bytes, whatever the number of classes.

    Args:
        first, second: ``(z, y, x)`` uint8 classes.
        first_share, second_share: ``(z, y, x)`` uint8, their probabilities in 1/255.
    """

    first: Labels
    second: Labels
    first_share: Labels
    second_share: Labels

    def lead(self, first: Labels, second: Labels) -> Floats:
        """Probability of ``first`` minus that of ``second``; a class that is not among the two counts as 0."""
        return self._probability(first) - self._probability(second)

    def _probability(self, wanted: Labels) -> Floats:
        share = np.where(wanted == self.first, self.first_share, 0)
        share = np.where(wanted == self.second, self.second_share, share)
        return np.asarray(share, dtype=np.float32) / np.float32(255.0)

    def at(self, where: npt.NDArray[np.bool_]) -> TopTwo:
        """The chosen voxels only, as ``(n,)``."""
        return TopTwo(
            first=self.first[where],
            second=self.second[where],
            first_share=self.first_share[where],
            second_share=self.second_share[where],
        )


def smoothed_labels(own: TopTwo, neighbours: Sequence[TopTwo], smoothing: TemporalSmoothing) -> Labels:
    """Labels ``(z, y, x)`` of a frame that listens to its neighbours.

    With the own margin a, the neighbours' mean lead b of the same two classes, strength s and bound d, the margin
    becomes ``a + clip(s * (b - a), -d, d)``.

    Args:
        own: of the frame.
        neighbours: of the frames before and after it on the same grid; none leaves the labels as they are.
    """
    labels = own.first.copy()
    if not neighbours or smoothing.strength == 0.0:
        return labels
    margin = (own.first_share.astype(np.int16) - own.second_share) / np.float32(255.0)
    unsure = margin < smoothing.margin
    mine, before = own.at(unsure), margin[unsure]
    leads = [other.at(unsure).lead(mine.first, mine.second) for other in neighbours]
    pull = smoothing.strength * (np.mean(leads, axis=0) - before)
    moved = before + np.clip(pull, -smoothing.margin, smoothing.margin)
    labels[unsure] = np.where(moved < 0, mine.second, mine.first)
    return labels
