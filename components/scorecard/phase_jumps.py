"""Jumps between frames of known phases, against what the time between them allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from components.errors import ParameterError
from components.scorecard.temporal import neighbour_dice, temporal_jumps
from components.volume.volume import LabelMap


@dataclass(frozen=True, kw_only=True)
class JumpBound:
    """What a jump may be: ``still`` + ``per_percent`` for each percent of the cycle to the neighbours.

    A heart moves more in a third of the cycle than in a tenth. Frames more than ``widest_gap`` percent apart
    are no neighbours: a phase is missing between them. The defaults are about twice what the true label maps
    of phantoms show at 5 to 35 % of the cycle (0.05 to 0.29).
    """

    still: float = 0.12
    per_percent: float = 0.008
    widest_gap: float = 40.0

    def __post_init__(self) -> None:
        if min(self.still, self.per_percent) < 0 or not 0 < self.widest_gap <= 100:
            raise ParameterError(
                expected="still and per_percent of 0 or more, widest_gap in (0, 100]",
                got=f"{self.still:g}, {self.per_percent:g}, {self.widest_gap:g}",
                hint="the shipped `jumps` of params.yaml",
            )

    def at(self, gap_percent: float) -> float:
        return min(1.0, self.still + self.per_percent * gap_percent)


@dataclass(frozen=True, kw_only=True)
class Jump:
    """1 - mean Dice to the neighbours in the cycle, and the bound for neighbours so far away."""

    measured: float
    bound: float


def jumps_by_phase(
    phases_percent: Mapping[str, float], load: Callable[[str], LabelMap | None], bound: JumpBound
) -> dict[str, Jump]:
    """Frame → jump, for the frames of one case that have a neighbour to compare with.

    Args:
        phases_percent: frame → phase, in any order; neighbours are taken by phase, around the cycle.
        load: a frame's label map; ``None`` for one without, which then is nobody's neighbour.
    """
    names = sorted(phases_percent, key=lambda name: (phases_percent[name], name))
    if len(names) < 2:
        return {}
    after = [*names[1:], names[0]]
    gaps = np.array(
        [(phases_percent[b] - phases_percent[a]) % 100.0 for a, b in zip(names, after, strict=True)]
    )
    if len(names) == 2:
        gaps[:] = gaps.min()
    dice = np.full(len(names), np.nan)
    first = last = load(names[0])
    for index, name in enumerate(after):
        following = first if index == len(names) - 1 else load(name)
        if gaps[index] <= bound.widest_gap:
            dice[index] = neighbour_dice(last, following)
        last = following
    gaps[np.isnan(dice)] = np.nan
    both = np.stack([gaps, np.roll(gaps, 1)])
    return {
        name: Jump(measured=float(jump), bound=bound.at(float(np.nanmean(both[:, index]))))
        for index, (name, jump) in enumerate(zip(names, temporal_jumps(dice.tolist()), strict=True))
        if np.isfinite(jump)
    }
