"""What a classification model scores on each finding and on average, each patient counting once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from components.metrics.bootstrap import Group, bootstrap_interval
from components.metrics.calibration import brier, ece, temper
from components.metrics.macro import FindingMetric, mean_by_support, mean_over_findings
from components.metrics.ranking import auroc, average_precision
from components.metrics.thresholding import accuracy, called_share, f1, npv, ppv, sensitivity, specificity
from components.metrics.weighting import Array, patient_share
from components.operations.evaluation import IntervalParams, rounded

TRUTH, PROBABILITY = "truth_", "probability_"
MACRO, WEIGHTED = "macro", "weighted"
MIN_PER_CLASS = 2  # patients with and without a finding, below which it judges nobody

OF_PROBABILITIES: Mapping[str, FindingMetric] = {
    "auroc": auroc,
    "average_precision": average_precision,
    "brier": brier,
    "ece": ece,
}
OF_DECISIONS = {"f1": f1, "sensitivity": sensitivity, "specificity": specificity, "accuracy": accuracy}
# not of every evaluation: they follow how common a finding is
OF_CALLS = {**OF_DECISIONS, "ppv": ppv, "npv": npv, "called": called_share}
INFLATED = ("ece",)  # by resampling, see ``bootstrap_interval``
METRICS = (*OF_PROBABILITIES, *OF_DECISIONS)


def truth_of(table: pd.DataFrame, findings: Sequence[str]) -> Array:
    """``(cases, findings)``; NaN = unknown."""
    return np.asarray(table[[f"{TRUTH}{name}" for name in findings]], dtype=np.float64)


def probability_of(table: pd.DataFrame, findings: Sequence[str]) -> Array:
    """``(cases, findings)``."""
    return np.asarray(table[[f"{PROBABILITY}{name}" for name in findings]], dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class FindingScores:
    """Truth and probability of each case, from which every metric of findings follows.

    In all metrics a case weighs 1 / number of its patient's cases with a known truth, finding by finding.

    Args:
        patients: ``(n,)`` the patient of each case.
        findings: ``(k,)`` names.
        truth_nk: 0, 1 or NaN (unknown).
        probability_nk: in [0, 1].
        thresholds: finding → probability from which it is called; 0.5 unless given.
    """

    patients: Sequence[str]
    findings: Sequence[str]
    truth_nk: Array
    probability_nk: Array
    thresholds: Mapping[str, float]

    @staticmethod
    def of(table: pd.DataFrame, findings: Sequence[str], thresholds: Mapping[str, float]) -> FindingScores:
        """From ``Evaluation.per_patient`` of a classification model."""
        return FindingScores(
            patients=table["patient_id"].astype(str).tolist(),
            findings=tuple(findings),
            truth_nk=truth_of(table, findings),
            probability_nk=probability_of(table, findings),
            thresholds=thresholds,
        )

    @cached_property
    def share_nk(self) -> Array:
        return patient_share(self.patients, self.truth_nk)

    def threshold(self, finding: str) -> float:
        return float(self.thresholds.get(finding, 0.5))

    def counts(self) -> dict[str, dict[str, int]]:
        """Finding → number of patients with it (``positives``) and without it (``negatives``) in some case."""
        patients = np.asarray(self.patients, dtype=str)
        return {
            name: {
                word: len(set(patients[self.truth_nk[:, k] == value]))
                for word, value in (("positives", 1.0), ("negatives", 0.0))
            }
            for k, name in enumerate(self.findings)
        }

    def judged(self) -> FindingScores:
        """Only the findings with ``MIN_PER_CLASS`` patients with and without them."""
        enough = [name for name, count in self.counts().items() if min(count.values()) >= MIN_PER_CLASS]
        return self.only(enough)

    def only(self, findings: Sequence[str]) -> FindingScores:
        places = [tuple(self.findings).index(name) for name in findings]
        return dataclasses.replace(
            self,
            findings=tuple(findings),
            truth_nk=self.truth_nk[:, places],
            probability_nk=self.probability_nk[:, places],
        )

    def before(self, temperature: Mapping[str, float]) -> FindingScores:
        """As the network said it, before its ``temperature``: finding → T; 1 unless given."""
        inverse = [1.0 / float(temperature.get(name, 1.0)) for name in self.findings]
        columns = [temper(self.probability_nk[:, k], inverse[k]) for k in range(len(inverse))]
        plain = np.stack(columns, axis=-1) if columns else self.probability_nk
        return dataclasses.replace(self, probability_nk=plain)

    def group(self, metric: str, name: str) -> Group:
        """The patients, and ``metric`` of the finding ``name``, or its mean: ``macro``, ``weighted`` by positives."""
        if name not in (MACRO, WEIGHTED):
            return self._of_finding(metric, list(self.findings).index(name))
        rows = ~np.isnan(self.truth_nk).all(axis=1)
        share, truth = self.share_nk[rows], np.nan_to_num(self.truth_nk[rows])

        def mean(weight: Array) -> Array:
            values = [self._value(metric, k, rows, weight * share[:, k]) for k in range(len(self.findings))]
            stacked = np.stack(values, axis=-1) if values else np.full((*weight.shape[:-1], 1), np.nan)
            if name == MACRO:
                return mean_over_findings(stacked)
            return mean_by_support(stacked, weight @ (share * truth))

        return Group(patients=self._patients(rows), statistic=mean)

    def _of_finding(self, metric: str, k: int) -> Group:
        rows = ~np.isnan(self.truth_nk[:, k])
        share = self.share_nk[rows, k]
        return Group(
            patients=self._patients(rows),
            statistic=lambda weight: self._value(metric, k, rows, weight * share),
        )

    def _value(self, metric: str, k: int, rows: Any, weight: Array) -> Array:
        truth, probability = self.truth_nk[rows, k], self.probability_nk[rows, k]
        if metric in OF_PROBABILITIES:
            return OF_PROBABILITIES[metric](truth, probability, weight)
        return OF_CALLS[metric](truth, probability, self.threshold(self.findings[k]), weight)

    def _patients(self, rows: Any) -> list[str]:
        return [str(name) for name in np.asarray(self.patients, dtype=str)[rows]]


def finding_metrics(
    scores: FindingScores,
    params: IntervalParams,
    metrics: Sequence[str] = METRICS,
    *,
    means_only: bool = False,
) -> dict[str, dict[str, Any]]:
    """metric → ``macro`` (of F1 also ``weighted``) and each finding → interval; nothing without a finding."""
    if not scores.findings:
        return {metric: {} for metric in metrics}
    each = () if means_only else tuple(scores.findings)
    return {
        metric: {name: metric_interval(scores, metric, name, params) for name in (*means_of(metric), *each)}
        for metric in metrics
    }


def means_of(metric: str) -> tuple[str, ...]:
    """Which means over findings a metric has."""
    return (MACRO, WEIGHTED) if metric == "f1" else (MACRO,)


def metric_interval(scores: FindingScores, metric: str, name: str, params: IntervalParams) -> dict[str, Any]:
    """Of one metric of a finding or of their mean; no end lies below 0."""
    group = scores.group(metric, name)
    interval = bootstrap_interval(
        group.patients, group.statistic,
        seed=params.seed, draws=params.draws, level=params.level, centred=metric in INFLATED,
    )  # fmt: skip
    return rounded(dataclasses.replace(interval, low=float(np.maximum(interval.low, 0.0))))
