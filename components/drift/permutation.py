"""Permutation of patients between reference and window: the null distribution of every drift statistic.

Null: reference and window patients are exchangeable (drawn from one population, independent patients). Then
the p-value (1 + #{resampled >= observed}) / (1 + resamples) is exact at any sample size (Phipson and Smyth
2010, "Permutation p-values should never be zero", eq. 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Members = npt.NDArray[np.float32]
_ROUNDING = 1e-5  # statistics are sums in float32


def memberships(
    n_reference: int, n_window: int, permutations: int, generator: np.random.Generator
) -> Members:
    """``(1 + permutations, n_reference + n_window)``; 1 where a patient plays the window.

    Row 0 is the truth: reference patients first. All channels use the same rows.
    """
    observed = np.repeat(np.array([0.0, 1.0], dtype=np.float32), [n_reference, n_window])
    shuffled = generator.permuted(np.tile(observed, (permutations, 1)), axis=1)
    return np.concatenate([observed[None], shuffled])


@dataclass(frozen=True, kw_only=True, eq=False)
class Combined:
    """Several statistics made one.

    Args:
        statistic: observed maximum of the standardised statistics, as a normal score where families meet.
        p_value: its exact permutation p-value.
        null: ``(permutations,)`` the same maximum under each permutation.
        column: index of the statistic that attains the observed maximum.
        p_columns: ``(c,)`` p-values of the single statistics, adjusted for taking the maximum.
        observed: ``(c,)`` the standardised statistics as observed.
    """

    statistic: float
    p_value: float
    null: Floats
    column: int
    p_columns: Floats
    observed: Floats


def combine(statistics_bc: Floats, families: Sequence[str] = ()) -> Combined:
    """Maximum of the standardised statistics, judged under the same permutations.

    Single-step max-T of Westfall and Young (1993, "Resampling-Based Multiple Testing", section 2.3):
    correlated columns cost little power, since the maximum is compared with its own null. First within each family;
    the families' maxima, which have other tails, meet as normal scores. Each row is standardised by all other ones,
    the observed one like any other, so that row 0 stays exchangeable with them.

    Args:
        statistics_bc: ``(1 + permutations, c)``, row 0 observed, larger = farther apart.
        families: ``c`` names; all of one family unless given.
    """
    standard_bc = standardised(statistics_bc)
    names = list(families) or ["all"] * standard_bc.shape[1]
    places = [[i for i, name in enumerate(names) if name == one] for one in dict.fromkeys(names)]
    maxima, observed = standard_bc.max(axis=1), standard_bc[0]
    if len(places) > 1:
        scores = [_family_scores(standard_bc[:, place]) for place in places]
        maxima = np.max([whole for whole, _ in scores], axis=0)
        observed = np.empty(len(names))
        for place, (_, own) in zip(places, scores, strict=True):
            observed[place] = own
    # Equal up to rounding counts as equal, else ties (few patients, discrete columns) would cost validity.
    reached = maxima[1:, None] >= observed[None] - _ROUNDING
    p_columns = (1.0 + reached.sum(axis=0)) / len(maxima)
    column = int(observed.argmax())
    return Combined(
        statistic=float(maxima[0]), p_value=float(p_columns[column]), null=maxima[1:], column=column,
        p_columns=p_columns, observed=standard_bc[0],
    )  # fmt: skip


def standardised(statistics_bc: Floats) -> Floats:
    """Each row in standard deviations of all other ones; 0 in columns where these do not vary."""
    centre, spread = _of_others(statistics_bc)
    return np.asarray((statistics_bc - centre) / spread)


def _of_others(statistics_bc: Floats) -> tuple[Floats, Floats]:
    """``(b, c)`` mean and standard deviation of the other rows; the latter infinite where they do not vary."""
    shifted = statistics_bc - np.median(statistics_bc, axis=0)
    others = len(shifted) - 1
    mean = (shifted.sum(axis=0) - shifted) / others
    variance = ((shifted**2).sum(axis=0) - shifted**2) / others - mean**2
    least = 1e-12 + (1e-6 * shifted.std(axis=0)) ** 2
    return mean + np.median(statistics_bc, axis=0), np.where(
        variance > least, np.sqrt(np.maximum(variance, 0)), np.inf
    )


def _family_scores(standard_bc: Floats) -> tuple[Floats, Floats]:
    """``(b,)`` normal scores of the family's maxima, and ``(c,)`` of its columns as observed."""
    maxima_b1 = standard_bc.max(axis=1, keepdims=True)
    centre, spread = _of_others(maxima_b1)
    skewness = float(
        np.clip(np.mean((maxima_b1 - maxima_b1.mean()) ** 3) / (maxima_b1.std() ** 3 + 1e-12), 0.05, 3.0)
    )
    whole = normal_score((maxima_b1 - centre)[:, 0] / spread[:, 0], skewness)
    return whole, normal_score((standard_bc[0] - centre[0]) / spread[0], skewness)


def normal_score(standard: Floats, skewness: float) -> Floats:
    """Standardised values of a gamma distribution (Pearson's type III) on the scale of a normal one.

    Wilson & Hilferty (1931, "The distribution of chi-square"): the cube root of a gamma is nearly normal.
    """
    shape = 4.0 / skewness**2
    ratio = np.maximum(1.0 + standard / np.sqrt(shape), 0.0)
    return np.asarray(3.0 * np.sqrt(shape) * (np.cbrt(ratio) - 1.0 + 1.0 / (9.0 * shape)))


def critical_value(null: Floats, level: float) -> float:
    """The value that an observed statistic must exceed for p <= ``level``; inf when resamples are too few."""
    allowed = int(np.floor(level * (len(null) + 1) + 1e-9)) - 1
    return float(np.sort(null)[::-1][allowed]) if 0 <= allowed < len(null) else float("inf")
