"""What a department sees of a classifier: what it flags, how often that is right, and how sure these shares are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.metrics.calibration import wilson_interval
from components.metrics.weighting import Array
from components.operations.evaluation import IntervalParams
from components.operations.finding_scores import FindingScores, metric_interval
from components.operations.simulate_reading import any_finding

SHARES = ("sensitivity", "specificity", "ppv", "npv")
WORKLOAD = "workload"
ANY = "any"


def finding_calls(scores: FindingScores, params: IntervalParams) -> dict[str, dict[str, Any]]:
    """Finding → ``positives``, ``negatives``, ``threshold``, and an interval for each of ``SHARES`` and ``workload``.

    ``workload`` is the share of all studies that are flagged, whether an expert knows the finding there or not.
    Intervals as in ``share_interval``.
    """
    counts, flagged = scores.counts(), _all_known(scores)
    return {
        name: {
            **counts[name],
            "threshold": scores.threshold(name),
            **{metric: share_interval(scores, metric, name, params) for metric in SHARES},
            WORKLOAD: share_interval(flagged, "called", name, params),
        }
        for name in scores.findings
    }


def any_call(scores: FindingScores, params: IntervalParams) -> dict[str, Any]:
    """The same for a study as a whole: positive with any of the findings, flagged when any is called.

    A study is negative only when all of the findings are known to be absent.
    """
    cuts = np.array([scores.threshold(name) for name in scores.findings])
    called = np.asarray((scores.probability_nk >= cuts).any(axis=-1), dtype=np.float64)
    return finding_calls(_whole(scores, called), params)[ANY]


def prevalence(scores: FindingScores, params: IntervalParams) -> dict[str, Any]:
    """Share of the studies with any of the findings, of those in which that is known."""
    present = np.asarray(np.nan_to_num(any_finding(scores.truth_nk)), dtype=np.float64)
    return share_interval(_whole(scores, present), "called", ANY, params)


def _whole(scores: FindingScores, said: Array) -> FindingScores:
    """One finding, ``any``, of which ``said`` is the probability."""
    truth_n1 = any_finding(scores.truth_nk)[:, None]
    return dataclasses.replace(
        scores, findings=(ANY,), truth_nk=truth_n1, probability_nk=said[:, None], thresholds={}
    )


def share_interval(scores: FindingScores, metric: str, name: str, params: IntervalParams) -> dict[str, Any]:
    """The wider of two intervals, end by end: the bootstrap over patients, and Wilson's for as many patients.

    A bootstrap of few patients who are all called right has no width at all; Wilson's score interval (1927) has, and
    the bootstrap knows that the scans of one patient are no independent evidence.
    """
    found = metric_interval(scores, metric, name, params)
    if found["value"] is None:
        return found
    count = _counted(scores, metric, list(scores.findings).index(name))
    low, high = (
        float(end[0])
        for end in wilson_interval(np.array([found["value"]]), np.array([count]), level=params.level)
    )
    return found | {
        "low": round(low if found["low"] is None else min(low, found["low"]), 6),
        "high": round(high if found["high"] is None else max(high, found["high"]), 6),
    }


def _counted(scores: FindingScores, metric: str, k: int) -> float:
    """How many patients the share is of."""
    truth, share = np.nan_to_num(scores.truth_nk[:, k]), scores.share_nk[:, k]
    called = (scores.probability_nk[:, k] >= scores.threshold(scores.findings[k])).astype(np.float64)
    of: Mapping[str, Array] = {
        "sensitivity": truth, "specificity": 1.0 - truth, "ppv": called, "npv": 1.0 - called,
        "called": np.ones_like(truth),
    }  # fmt: skip
    return float((share * of[metric]).sum())


def _all_known(scores: FindingScores) -> FindingScores:
    """Every study counts for the workload; what is true of it does not matter."""
    return dataclasses.replace(scores, truth_nk=np.zeros_like(scores.truth_nk))
