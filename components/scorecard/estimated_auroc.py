"""The AUROC of a window that nobody has labelled, from calibrated probabilities.

While a probability of 0.7 means that 7 in 10 have the finding, the labels that are missing can be drawn: pairs of
patients count by the probability that the first has the finding and the second has not (confidence-based performance
estimation, Kivimäki et al. 2025, "Confidence-based estimators for predictive performance in model monitoring"). That
holds when patients change and the findings' relation to the image does not; where calibration is lost it does not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.scorecard.predicted_quality import LEVEL
from components.scorecard.window_quality import WindowEstimate

Floats = npt.NDArray[np.float64]


def expected_auroc(probability_n: Floats) -> float:
    """Sum over pairs of p_i (1 - p_j) [p_i > p_j], ties by half, over the same without the bracket; NaN: no pairs."""
    p = np.sort(np.asarray(probability_n, dtype=np.float64))
    weight = p[:, None] * (1.0 - p[None])
    np.fill_diagonal(weight, 0.0)
    ranked = (p[:, None] > p[None]) + 0.5 * (p[:, None] == p[None])
    total = float(weight.sum())
    return float((weight * ranked).sum() / total) if total > 0 else float("nan")


def estimate_auroc(
    probability_n: Floats, generator: np.random.Generator, *, draws: int = 500, level: float = LEVEL
) -> WindowEstimate:
    """Interval over redrawn patients and redrawn labels.

    Args:
        probability_n: of one finding, one per patient, calibrated.
    """
    p = np.asarray(probability_n, dtype=np.float64)
    p = p[np.isfinite(p)]
    value = expected_auroc(p) if len(p) > 1 else float("nan")
    drawn = p[generator.integers(0, max(len(p), 1), (draws, len(p)))] if len(p) > 1 else np.empty((0, 0))
    found = _aurocs(drawn, generator.random(drawn.shape) < drawn)
    found = found[np.isfinite(found)]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2]) if len(found) else (np.nan, np.nan)
    return WindowEstimate(value=value, low=float(low), high=float(high), patients=len(p))


def _aurocs(score_bn: Floats, truth_bn: npt.NDArray[np.bool_]) -> Floats:
    """``(b,)`` by mean ranks (Mann-Whitney); NaN where one answer is missing."""
    from scipy.stats import rankdata

    if not score_bn.size:
        return np.empty(0)
    positives = truth_bn.sum(axis=1)
    negatives = truth_bn.shape[1] - positives
    ranks = (rankdata(score_bn, axis=1) * truth_bn).sum(axis=1) - positives * (positives + 1) / 2
    pairs = positives * negatives
    return np.asarray(np.where(pairs > 0, ranks / np.maximum(pairs, 1), np.nan))
