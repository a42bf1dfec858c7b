"""What a model still says about a scan without chosen triplets of slices: the most relevant, and random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError
from components.models.relevance import Deleted, Floats, Relevance

Level = Literal["features", "slices"]
LEVELS: tuple[Level, ...] = ("features", "slices")
ControlName = Literal["scattered", "block"]
CONTROLS: tuple[ControlName, ...] = ("scattered", "block")
_SAME = 1e-9  # probabilities closer than this are equal up to rounding


@dataclass(frozen=True, kw_only=True)
class DeletionParams:
    """How much is deleted and how often.

    Args:
        share: of a scan's real triplets, rounded, at least one.
        draws: random choices of each control for each scan.
        min_patients: with fewer who have the finding called there is no p-value; below 5 none could reach 0.05.
        flips: of signs; all of them are tried where there are no more.
        seed: of the random choices.
        level: left out as padding, from features; or replaced by slices of air, through the whole network.
    """

    share: float = 0.1
    draws: int = 20
    min_patients: int = 6
    flips: int = 9999
    seed: int = 0
    level: Level = "features"

    def __post_init__(self) -> None:
        if not (0.0 < self.share <= 0.5 and min(self.draws, self.min_patients, self.flips) >= 1):
            raise ParameterError(
                expected="a share in (0, 0.5] and positive counts", got=repr(self), hint="a share of 0.1"
            )


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """Mean fall of the probability when triplets are deleted, in one scan or over patients.

    Args:
        drop: of the most relevant choice.
        random_drop: of the random choices.
        beaten: share of the random choices that lower it less; ties count half.
    """

    drop: float
    random_drop: float
    beaten: float


def delete(
    relevance: Relevance, findings: Sequence[str], params: DeletionParams, *, seed: Sequence[int]
) -> dict[str, Mapping[ControlName, Deletion]]:
    """Each finding's drops in one scan. All findings share the random choices, drawn from ``seed``."""
    if not findings:
        return {}
    places = np.flatnonzero(relevance.real)
    size = max(1, round(params.share * len(places)))
    generator = np.random.default_rng(seed)
    masks = [np.zeros(len(relevance.real), dtype=np.bool_)]
    masks += [_mask(relevance, generator.permutation(places)[:size]) for _ in range(params.draws)]
    starts = generator.integers(0, len(places) - size + 1, params.draws)
    masks += [_mask(relevance, places[start : start + size]) for start in starts]
    for name in findings:
        by_place = relevance.of(name)[places]
        masks += [
            _mask(relevance, places[np.argsort(-by_place, kind="stable")[:size]]),
            _mask(relevance, places[_best_block(by_place, size)]),
        ]
    run = relevance.without if params.level == "features" else relevance.without_slices
    probability = run(np.stack(masks))
    columns = [relevance.findings.index(name) for name in findings]
    return {
        name: _drops(probability[:, column], params.draws, row)
        for row, (name, column) in enumerate(zip(findings, columns, strict=True))
    }


def _drops(probability: Floats, draws: int, row: int) -> dict[ControlName, Deletion]:
    drop = probability[0] - probability[1:]
    random = {"scattered": drop[:draws], "block": drop[draws : 2 * draws]}
    ours = drop[2 * draws + 2 * row : 2 * draws + 2 * row + 2]
    return {
        name: Deletion(
            drop=float(mine), random_drop=float(random[name].mean()), beaten=_beaten(mine, random[name])
        )
        for name, mine in zip(CONTROLS, ours, strict=True)
    }


def _beaten(mine: float, random: Floats) -> float:
    ahead = mine - random
    return float(np.mean(np.where(np.abs(ahead) <= _SAME, 0.5, ahead > 0)))


def _mask(relevance: Relevance, chosen: npt.NDArray[np.intp]) -> Deleted:
    mask = np.zeros(len(relevance.real), dtype=np.bool_)
    mask[chosen] = True
    return mask


def _best_block(by_place: Floats, size: int) -> slice:
    sums = np.convolve(by_place, np.ones(size), mode="valid")
    start = int(sums.argmax())
    return slice(start, start + size)
