"""Permutation of patients between reference and window: the null distribution of every drift statistic.

Null: reference and window patients are exchangeable (drawn from one population, independent patients). Then
the p-value (1 + #{resampled >= observed}) / (1 + resamples) is exact at any sample size (Phipson and Smyth
2010, "Permutation p-values should never be zero", eq. 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Members = npt.NDArray[np.float32]


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
        statistic: observed maximum of the standardised statistics.
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


def combine(statistics_bc: Floats) -> Combined:
    """Maximum over columns of the standardised statistic, judged under the same permutations.

    Single-step max-T of Westfall and Young (1993, "Resampling-Based Multiple Testing", section 2.3):
    correlated columns cost little power, since the maximum is compared with its own null. Centre and scale
    come from all rows, the observed one included, so that row 0 stays exchangeable with the others.

    Args:
        statistics_bc: ``(1 + permutations, c)``, row 0 observed, larger = farther apart.
    """
    spread = statistics_bc.std(axis=0)
    standard = (statistics_bc - statistics_bc.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
    maxima = standard.max(axis=1)
    # Equal up to rounding counts as equal, else ties (few patients, discrete columns) would cost validity.
    reached = maxima[1:, None] >= standard[0][None] - 1e-9
    p_columns = (1.0 + reached.sum(axis=0)) / len(maxima)
    column = int(standard[0].argmax())
    return Combined(
        statistic=float(maxima[0]),
        p_value=float(p_columns[column]),
        null=maxima[1:],
        column=column,
        p_columns=p_columns,
        observed=standard[0],
    )


def critical_value(null: Floats, level: float) -> float:
    """The value that an observed statistic must exceed for p <= ``level``; inf when resamples are too few."""
    allowed = int(np.floor(level * (len(null) + 1) + 1e-9)) - 1
    return float(np.sort(null)[::-1][allowed]) if 0 <= allowed < len(null) else float("inf")
