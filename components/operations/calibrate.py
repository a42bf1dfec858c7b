"""Temperatures and thresholds of a classification model, from cases that do not judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.metrics.calibration import fit_temperature, temper
from components.metrics.thresholding import ThresholdRule, chosen_threshold
from components.metrics.weighting import Array


@dataclass(frozen=True, kw_only=True)
class CalibrationFit:
    """Per finding: temperature, threshold, and how many positive and negative cases they rest on.

    ``source`` says which cases; patients that the model was trained on make a model look surer than it is, so
    there no temperature below 1 is taken.
    """

    temperature: dict[str, float]
    thresholds: dict[str, float]
    positives: dict[str, int]
    negatives: dict[str, int]
    cases: int
    source: str
    rule: str

    def as_json(self) -> dict[str, Any]:
        """The content of calibration.json."""
        return {
            "temperature": self.temperature,
            "thresholds": self.thresholds,
            "positives": self.positives,
            "negatives": self.negatives,
            "cases": self.cases,
            "source": self.source,
            "rule": self.rule,
        }


def calibrate(
    findings: Sequence[str],
    truth_nk: Array,
    probability_nk: Array,
    *,
    seen_in_training: bool,
    rule: ThresholdRule = "f1",
    target: float = 0.9,
    min_per_class: int = 5,
) -> CalibrationFit:
    """Fit each finding apart; one with fewer than ``min_per_class`` cases of a class keeps 1 and 0.5.

    Args:
        truth_nk: ``(cases, findings)``, NaN = unknown.
        probability_nk: the same shape, not calibrated.
        seen_in_training: whether the model was trained on these cases.
        rule, target: of the thresholds, see ``chosen_threshold``.
    """
    temperature, thresholds, positives, negatives = {}, {}, {}, {}
    bounds = (1.0, 4.0) if seen_in_training else (0.25, 4.0)
    for k, name in enumerate(findings):
        truth, probability = truth_nk[:, k], probability_nk[:, k]
        positives[name], negatives[name] = int(np.sum(truth == 1)), int(np.sum(truth == 0))
        enough = min(positives[name], negatives[name]) >= min_per_class
        fitted = fit_temperature(truth, probability, bounds=bounds) if enough else 1.0
        temperature[name] = round(fitted, 6)
        tempered = temper(probability, temperature[name])
        level = chosen_threshold(truth, tempered, rule, target) if enough else 0.5
        thresholds[name] = round(level, 6)
    return CalibrationFit(
        temperature=temperature,
        thresholds=thresholds,
        positives=positives,
        negatives=negatives,
        cases=len(truth_nk),
        source=f"expert labels of {'training' if seen_in_training else 'other'} patients",
        rule="highest F1" if rule == "f1" else f"{rule} of {target:g}",
    )
