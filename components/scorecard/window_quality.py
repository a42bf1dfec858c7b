"""The quality of a whole window that nobody has labelled, with an interval that knows of earlier windows' errors.

The mean of the cases' predicted qualities is the estimate. Its error has two parts: that of the patients, which shrinks
with their number, and that of the window, which does not: a new scanner misleads the estimate of all its patients
alike. Both are learned from batches with returned labels, each foretold by a fit that saw none of its patients, and
the interval is that of a random effect (Higgins, Thompson & Spiegelhalter 2009, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.scorecard.predicted_quality import LEVEL, fit_quality

Floats = npt.NDArray[np.float64]
Case = Sequence[Mapping[str, Any]]
LEAST_WINDOWS = 3
_DOUBT = 0.1
_MOST_FITS = 40


@dataclass(frozen=True, kw_only=True)
class WindowEstimate:
    """Mean quality of a window's ``patients``, with the ends of its interval; ``NaN`` ends where it has none."""

    value: float
    low: float
    high: float
    patients: int


@dataclass(frozen=True, kw_only=True)
class ErrorOfMeans:
    """How wrong the mean of a window's estimates is.

    Args:
        between: standard deviation from window to window, rather too large than too small; ``None`` when fewer than
            three were judged: then the interval holds for patients like the judged ones alone.
        within: standard deviation of a patient's error in its window.
        windows, patients: that it was learned from.
    """

    between: float | None
    within: float
    windows: int
    patients: int

    def interval(self, estimates_n: Sequence[float], *, level: float = LEVEL) -> WindowEstimate:
        """Of the mean of ``estimates_n``, one per patient; NaN where none is known."""
        known = np.array([one for one in estimates_n if np.isfinite(one)], dtype=np.float64)
        if not len(known):
            return WindowEstimate(value=float("nan"), low=float("nan"), high=float("nan"), patients=0)
        freedom = self.patients - 1 if self.between is None else self.windows
        spread = np.sqrt((self.between or 0.0) ** 2 + self.within**2 / len(known))
        reach = float(stats.t.ppf((1 + level) / 2, freedom) * spread)
        value = float(known.mean())
        return WindowEstimate(
            value=value, low=max(0.0, value - reach), high=min(1.0, value + reach), patients=len(known)
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of_json(tree: Mapping[str, Any]) -> ErrorOfMeans:
        """``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        between = tree["between"]
        return ErrorOfMeans(
            between=None if between is None else float(between), within=float(tree["within"]),
            windows=int(tree["windows"]), patients=int(tree["patients"]),
        )  # fmt: skip


def fit_error_of_means(
    cases: Sequence[Case], quality: Sequence[float], patients: Sequence[str], windows: Sequence[str]
) -> ErrorOfMeans | None:
    """From judged cases: leave a window out (with fewer than three, a patient), foretell it, compare.

    Args:
        cases: of each, the scorecard rows of its judged frames.
        quality: ``(n,)`` what they scored; ``patients``, ``windows``: ``(n,)`` whose and of which batch.

    Returns:
        ``None`` where what remains is too little to learn from.
    """
    names, window = np.unique(np.asarray(windows, dtype=str), return_inverse=True)
    owner = np.asarray(patients, dtype=str)
    several = len(names) >= LEAST_WINDOWS
    error = _errors_left_out(
        cases, quality, owner, window if several else np.unique(owner, return_inverse=True)[1]
    )
    if error is None:
        return None
    judged = [_patient_errors(error[window == k], owner[window == k]) for k in range(len(names))]
    sizes = np.array([len(one) for one in judged])
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in judged)
    within = squares / max(int((sizes - 1).sum()), 1)
    means = np.array([one.mean() for one in judged])
    between = _between(means, within / sizes) if several else None
    return ErrorOfMeans(
        between=between, within=float(np.sqrt(within)), windows=len(names), patients=int(sizes.sum())
    )


def _between(means_w: Floats, sampling_w: Floats) -> float:
    """What the patients' number does not explain of the windows' mean errors: the upper end of its 90 % bound.

    From few windows the square is hardly known (chi-squared); an interval that took it for known would be too narrow.
    """
    upper = float((means_w**2).sum() / stats.chi2.ppf(_DOUBT, len(means_w)))
    return float(np.sqrt(max(upper - float(sampling_w.mean()), 0.0)))


def _errors_left_out(
    cases: Sequence[Case], quality: Sequence[float], owner: npt.NDArray[np.str_], group: npt.NDArray[np.intp]
) -> Floats | None:
    """``(n,)`` measured less foretold by a fit without the case's group, and without its patient elsewhere."""
    error = np.full(len(cases), np.nan)
    fold = group if group.max() < _MOST_FITS else group % (_MOST_FITS // 2)
    for k in np.unique(fold):
        inside = np.flatnonzero(fold == k).tolist()
        rest = np.flatnonzero((fold != k) & ~np.isin(owner, owner[inside])).tolist()
        fit = fit_quality([cases[i] for i in rest], [quality[i] for i in rest], owner[rest].tolist())
        if fit is None:
            return None
        for i in inside:
            estimate = fit.estimate(cases[i])
            error[i] = np.nan if estimate is None else quality[i] - estimate.value
    return error if np.isfinite(error).all() else None


def _patient_errors(error: Floats, owner: npt.NDArray[np.str_]) -> Floats:
    return np.array([error[owner == name].mean() for name in np.unique(owner)])
