"""How much a segmentation jumps between neighbouring frames of the cardiac cycle.

A frozen mask scores a perfect 0, so the jump calls an expert; it never selects a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError
from components.volume.volume import LabelMap


def neighbour_dice(first: LabelMap | None, second: LabelMap | None) -> float:
    """Mean Dice over the structures present in at least one of two frames on one grid.

    NaN when nothing can be compared: a frame is missing, the grids differ in shape, or both maps are empty.
    """
    if first is None or second is None or first.labels.shape != second.labels.shape:
        return float("nan")
    values = np.array(sorted(set(first.names) | set(second.names)), dtype=np.intp)
    sizes = _sizes(first.labels) + _sizes(second.labels)
    shared = _sizes(first.labels[first.labels == second.labels])
    present = values[sizes[values] > 0]
    return float(np.mean(2.0 * shared[present] / sizes[present])) if present.size else float("nan")


def temporal_jumps(pair_dice: Sequence[float]) -> npt.NDArray[np.float64]:
    """1 - mean Dice of each frame to its two neighbours in the cycle.

    Args:
        pair_dice: ``(n,)``, entry i compares frames i and i + 1, the last entry frame n - 1 and frame 0
            (for two frames both entries are the same pair). NaN pairs are left out of the mean.

    Returns:
        ``(n,)`` in [0, 1]; NaN where no neighbour could be compared.
    """
    after = np.asarray(pair_dice, dtype=np.float64)
    pairs = np.stack([after, np.roll(after, 1)])
    known = np.isfinite(pairs)
    count = known.sum(axis=0)
    mean = np.where(known, pairs, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, 1.0 - mean, np.nan)


class CycleJumps:
    """Temporal jumps of one case from its frames in phase order, holding only the first and the last map."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._pair_dice: list[float] = []
        self._first: LabelMap | None = None
        self._last: LabelMap | None = None

    def add(self, frame_id: str, labels: LabelMap | None) -> None:
        """The next frame; ``None`` for one without a label map, which then is nobody's neighbour."""
        if self._names:
            self._pair_dice.append(neighbour_dice(self._last, labels))
        else:
            self._first = labels
        self._names.append(frame_id)
        self._last = labels

    def close(self) -> dict[str, float]:
        """frame_id → temporal jump; NaN for a single frame."""
        if len(self._names) < 2:
            return dict.fromkeys(self._names, float("nan"))
        cycle = [*self._pair_dice, neighbour_dice(self._last, self._first)]
        jumps = temporal_jumps(cycle)
        return {name: float(jump) for name, jump in zip(self._names, jumps, strict=True)}


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


def _sizes(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    return np.bincount(labels.ravel(), minlength=256)
