"""How often a finding is there where a model says so with some probability, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.metrics.bootstrap import bootstrap_interval
from components.metrics.calibration import bin_of, reliability, wilson_interval
from components.metrics.weighting import Array, known, ratio
from components.operations.evaluation import IntervalParams
from components.operations.finding_scores import FindingScores

_BINS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class ReliabilityCurve:
    """``(bins,)`` each: mean probability, share of positives with its interval, patients; NaN in empty bins."""

    said: Array
    share: Array
    low: Array
    high: Array
    patients: Array


def curve_of(scores: FindingScores, finding: str, *, level: float) -> ReliabilityCurve:
    """Of one finding; a patient with several cases is spread over their bins. Intervals are Wilson's."""
    k = list(scores.findings).index(finding)
    truth, probability, weight = scores.truth_nk[:, k], scores.probability_nk[:, k], scores.share_nk[:, k]
    said, share, patients = reliability(truth, probability, weight, bins=_BINS)
    low, high = wilson_interval(share, patients, level=level)
    return ReliabilityCurve(said=said, share=share, low=low, high=high, patients=patients)


def pooled_curve(scores: FindingScores, params: IntervalParams) -> ReliabilityCurve:
    """Of all findings together; a patient's findings are no independent evidence, so patients are resampled."""
    names, index = np.unique(np.asarray(scores.patients, dtype=str), return_inverse=True)
    sums = np.zeros((3, len(names), _BINS))  # probability, positives and weight of each patient in each bin
    for k in range(len(scores.findings)):
        truth, weight = known(scores.truth_nk[:, k], scores.share_nk[:, k])
        probability = scores.probability_nk[:, k]
        for part, values in zip(sums, (probability, truth, np.ones_like(truth)), strict=True):
            np.add.at(part, (index, bin_of(probability, _BINS)), weight * values)
    said, share = (ratio(part.sum(axis=0), sums[2].sum(axis=0)) for part in sums[:2])
    intervals = [
        bootstrap_interval(
            names.tolist(),
            lambda weight, b=b: ratio(weight @ sums[1, :, b], weight @ sums[2, :, b]),  # type: ignore[misc]
            seed=params.seed, draws=params.draws, level=params.level,
        )
        for b in range(_BINS)
    ]  # fmt: skip
    low, high = (np.array([getattr(interval, end) for interval in intervals]) for end in ("low", "high"))
    patients = (sums[2] > 0).sum(axis=0).astype(np.float64)
    return ReliabilityCurve(said=said, share=share, low=low, high=high, patients=patients)
