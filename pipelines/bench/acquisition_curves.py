"""What a campaign is worth: scores over a budget, and the area under them.

Shapes: s steps, n test patients, b bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.bench.acquisition_campaign import Campaign

Floats = npt.NDArray[np.float64]
Metric = Callable[[Floats, Floats], Floats]
"""(judged ``(s, n, …)``, weights of the patients ``(b, n)``) → ``(b, s)`` scores in [0, 1]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arena:
    """All campaigns on one pool of one seed.

    Args:
        campaigns: arm → its draws; one for an arm that leaves little to chance.
        strata: ``(n,)`` of the test patients, which a bootstrap keeps the sizes of.
        metrics: ``modes`` and ``prevalence``.
        broken: frame_ids that no expert can use.
    """

    campaigns: Mapping[str, Sequence[Campaign]]
    strata: npt.NDArray[np.str_]
    metrics: Mapping[str, Metric]
    broken: frozenset[str]

    def weights(self, draws: int, seed: int) -> Floats:
        """``(1 + b, n)``: all patients once, then as often as each bootstrap draw has them."""
        generator = np.random.default_rng(seed)
        weights = np.ones((1 + draws, len(self.strata)))
        for stratum in np.unique(self.strata):
            own = np.flatnonzero(self.strata == stratum)
            weights[1:, own] = generator.multinomial(len(own), np.full(len(own), 1 / len(own)), size=draws)
        return weights

    def curve(self, arm: str, metric: str, weights_bn: Floats) -> Floats:
        """``(b, s)`` mean over the arm's draws."""
        of = self.metrics[metric]
        return np.asarray(np.mean([of(one.judged, weights_bn) for one in self.campaigns[arm]], axis=0))

    def aubc(self, arm: str, metric: str, weights_bn: Floats, *, by: str = "labels") -> Floats:
        """``(b,)`` mean over the arm's draws; ``by`` labels, or minutes up to where the cheapest campaign ends."""
        end = min(float(getattr(one, by)[-1]) for draws in self.campaigns.values() for one in draws)
        areas = [
            area_under(getattr(one, by), self.metrics[metric](one.judged, weights_bn), end)
            for one in self.campaigns[arm]
        ]
        return np.asarray(np.mean(areas, axis=0))


def area_under(budget_s: Floats, scores_bs: Floats, end: float) -> Floats:
    """``(b,)`` mean height of the piecewise linear curve between 0 and ``end``, in the unit of the scores."""
    inside = budget_s < end
    at = np.append(budget_s[inside], end)
    last = np.array([np.interp(end, budget_s, row) for row in scores_bs])
    heights = np.concatenate([scores_bs[:, inside], last[:, None]], axis=1)
    return np.asarray(np.trapezoid(heights, at, axis=1) / (end - budget_s[0]))


def budget_to_reach(budget_s: Floats, scores_s: Floats, score: float) -> float:
    """Where the piecewise linear curve first reaches ``score``; infinite if it never does."""
    for left in range(len(scores_s)):
        if scores_s[left] >= score:
            if left == 0:
                return float(budget_s[0])
            below, above = scores_s[left - 1], scores_s[left]
            share = (score - below) / (above - below)
            return float(budget_s[left - 1] + share * (budget_s[left] - budget_s[left - 1]))
    return float("inf")


def mean_by_mode(modes_n: npt.NDArray[np.str_], shares: Mapping[str, float]) -> Metric:
    """Mean over each mode's patients, then over modes with ``shares``; a metric of one score per patient."""
    names = sorted(shares)
    member_mn = np.array([modes_n == name for name in names], dtype=np.float64)
    share_m = np.array([shares[name] for name in names])

    def score(judged_sn: Floats, weights_bn: Floats) -> Floats:
        total_bm = weights_bn @ member_mn.T
        sums_bms = np.einsum("bn,mn,sn->bms", weights_bn, member_mn, judged_sn, optimize=True)
        means_bms = sums_bms / total_bm[:, :, None]
        return np.asarray(np.einsum("bms,m->bs", means_bms, share_m / share_m.sum()))

    return score
