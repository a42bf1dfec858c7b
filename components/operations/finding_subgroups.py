"""What a classification model scores in one subgroup: macro, and each finding for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from components.operations.evaluation import IntervalParams
from components.operations.finding_scores import (
    MACRO,
    METRICS,
    FindingScores,
    finding_metrics,
    metric_interval,
)
from components.operations.subgroups import Measure

# of a macro mean: those that do not follow how many of the group's patients have a finding
_MACRO_METRICS = ("auroc", "sensitivity", "specificity", "ece")


def finding_measure(
    findings: Sequence[str], thresholds: Mapping[str, float], params: IntervalParams
) -> Measure:
    """``findings`` (how many are judged in the group), the macro means over these, and ``by_finding``.

    There each finding has its ``positives`` and ``negatives`` (patients of the group), whether it is ``judged``, see
    ``FindingScores.judged``, and if so every metric with its interval.
    """

    def measure(rows: pd.DataFrame) -> dict[str, Any]:
        every = FindingScores.of(rows, findings, thresholds)
        judged = every.judged()
        means = finding_metrics(judged, params, _MACRO_METRICS, means_only=True)
        return {
            "findings": len(judged.findings),
            **{name: means[name].get(MACRO) for name in means},
            "by_finding": {
                name: {**count, "judged": name in judged.findings, **_each(judged, name, params)}
                for name, count in every.counts().items()
            },
        }

    return measure


def _each(judged: FindingScores, finding: str, params: IntervalParams) -> dict[str, Any]:
    if finding not in judged.findings:
        return {}
    return {metric: metric_interval(judged, metric, finding, params) for metric in METRICS}
