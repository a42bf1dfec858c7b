"""What two models are compared on: a difference, challenger - champion, and how small it may really be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from components.metrics.bootstrap import Group, paired_difference, patient_weights
from components.metrics.paired import mean_lower_bound
from components.metrics.weighting import Array

SCORE = "score"


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """One comparison on one group of patients.

    Args:
        name: ``score``, or ``dice/aorta``, ``auroc/emphysema``, ``auroc/macro``.
        stratum: the group.
        patients: their number.
        difference: challenger - champion; higher is better for the challenger.
        margin: the largest loss that is taken for none.
        lower: alpha → one-sided lower bound of the difference; ``None`` where too few patients tell.
        may_win: whether a gain here alone makes a challenger better.
    """

    name: str
    stratum: str
    patients: int
    difference: float
    margin: float
    lower: Callable[[float], float] | None
    may_win: bool = False


def mean_endpoint(
    name: str, stratum: str, differences: Array, *,
    margin: float, enough: int, seed: int, draws: int, may_win: bool = False,
) -> Endpoint:  # fmt: skip
    """Of the mean of paired differences ``(n,)``, one per patient, see ``mean_lower_bound``."""
    values = np.asarray(differences, dtype=np.float64)

    def lower(alpha: float) -> float:
        return mean_lower_bound(values, alpha=alpha, seed=seed, draws=draws)

    return Endpoint(
        name=name,
        stratum=stratum,
        patients=values.size,
        difference=float(values.mean()) if values.size else float("nan"),
        margin=margin,
        lower=lower if values.size >= enough else None,
        may_win=may_win,
    )


def ranking_endpoint(
    name: str, stratum: str, challenger: Group, champion: Group, *,
    margin: float, smaller_class: int, enough: int, seed: int, draws: int, may_win: bool = False,
) -> Endpoint:  # fmt: skip
    """Of the difference of two statistics of the same patients, an AUROC say.

    The bound is difference - t · SE. SE is the spread over resampled patients, the same for both models (paired
    bootstrap; Efron & Tibshirani 1993, ch. 6); t is Student's with ``smaller_class`` - 1 degrees of freedom, since an
    AUROC knows no more than its rarer class does.

    Args:
        smaller_class: patients with or without the finding, whichever are fewer.
        enough: of them.
    """
    statistic = paired_difference(challenger.statistic, champion.statistic)
    value = float(statistic(np.ones(len(champion.patients)))) if smaller_class else float("nan")
    known = smaller_class >= enough and bool(np.isfinite(value))
    error = _spread(statistic, champion, seed=seed, draws=draws) if known else float("nan")

    def lower(alpha: float) -> float:
        return value - float(stats.t.ppf(1.0 - alpha, smaller_class - 1)) * error

    return Endpoint(
        name=name,
        stratum=stratum,
        patients=champion.size,
        difference=value,
        margin=margin,
        lower=lower if np.isfinite(error) else None,
        may_win=may_win,
    )


def _spread(statistic: Callable[[Array], Array], group: Group, *, seed: int, draws: int) -> float:
    """Standard deviation over the draws in which the statistic is defined; NaN when half of them are not."""
    values = statistic(patient_weights(group.patients, seed=seed, draws=draws))
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if defined.size >= max(2.0, values.size / 2) else float("nan")
