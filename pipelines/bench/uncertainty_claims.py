"""What is claimed of uncertainty: failures found, at which cost, and how well the quality of a case is foretold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from components.metrics.bootstrap import patient_weights
from components.metrics.selective_risk import aurc
from components.metrics.weighting import Array
from components.scorecard.predicted_quality import QualityEstimate
from pipelines.bench.claims import Claim, Relation
from pipelines.bench.uncertainty_methods import Said

OURS, ENSEMBLE, DROPOUT, SINGLE = (
    "ours: predicted quality",
    "deep ensemble × 5: pairwise Dice",
    "MC dropout × 10: pairwise Dice",
    "single network: mean entropy",
)
_DRAWS = 4000


@dataclass(frozen=True, kw_only=True, eq=False)
class Method:
    """``risk`` (1 - mean Dice of its own answers) and ``confidence`` ``(n,)`` of each test patient."""

    risk: Array
    confidence: Array

    @property
    def aurc(self) -> float:
        return float(aurc(self.risk, self.confidence))


@dataclass(frozen=True, kw_only=True, eq=False)
class SeedResult:
    """One seed: methods by name on the same test patients, estimates of ours, and what they were learned from."""

    methods: Mapping[str, Method]
    estimates: Sequence[QualityEstimate]
    cost: Mapping[str, Any]
    shifts: Sequence[str]
    calibration_patients: int
    signals: Mapping[str, float]

    @property
    def dice(self) -> Array:
        """``(n,)`` true mean Dice of our answers."""
        return 1.0 - self.methods[OURS].risk

    @property
    def predicted(self) -> Array:
        return np.array([estimate.value for estimate in self.estimates])

    @property
    def covered(self) -> Array:
        ends = np.array([(estimate.low, estimate.high) for estimate in self.estimates])
        return ((ends[:, 0] <= self.dice) & (self.dice <= ends[:, 1])).astype(np.float64)


def methods_of(ours: Said, predicted: Array, references: Mapping[str, Said]) -> dict[str, Method]:
    """The compared scores, and beside them what each pass says without and with other aggregations."""
    ensemble, short, dropout, single = (
        references[name] for name in ("deep ensemble", "short ensemble", "MC dropout", "single")
    )

    def of(said: Said, confidence: Array) -> Method:
        return Method(risk=1.0 - said.dice, confidence=confidence)

    return {
        OURS: of(ours, predicted),
        "ours: expected Dice, not calibrated": of(ours, ours.mean("expected_dice")),
        "ours: pairwise Dice of the heads": of(ours, -ours.mean("pairwise_dice_disagreement")),
        "ours: mean entropy": of(ours, -ours.mean("predictive_entropy")),
        ENSEMBLE: of(ensemble, -ensemble.mean("pairwise_dice_disagreement")),
        "deep ensemble × 5: expected Dice": of(ensemble, ensemble.mean("expected_dice")),
        "deep ensemble × 5, our steps in all: pairwise Dice": of(
            short, -short.mean("pairwise_dice_disagreement")
        ),
        DROPOUT: of(dropout, -dropout.mean("pairwise_dice_disagreement")),
        "MC dropout × 10: expected Dice": of(dropout, dropout.mean("expected_dice")),
        SINGLE: of(single, -single.mean("predictive_entropy")),
        "single network: expected Dice": of(single, single.mean("expected_dice")),
    }


def claims_of(results: Sequence[SeedResult]) -> list[Claim]:
    """Means over seeds; the intervals draw test patients of every seed anew."""
    ratio = _ratio([_aurcs(result, ENSEMBLE, None) for result in results])
    drawn = {name: _drawn_ratio(results, name) for name in (ENSEMBLE, SINGLE)}
    error = np.mean([np.abs(result.predicted - result.dice).mean() for result in results])
    rank = np.mean([stats.spearmanr(result.predicted, result.dice).statistic for result in results])
    covered = float(np.mean([result.covered.mean() for result in results]))
    measured: list[tuple[str, float, Relation, float]] = [
        ("aurc_vs_deep_ensemble", float(ratio), "<=", 1.0),
        ("aurc_ratio_upper_95", float(np.quantile(drawn[ENSEMBLE], 0.975)), "<=", 1.15),
        ("aurc_vs_single_entropy", float(np.quantile(drawn[SINGLE], 0.975)), "<", 1.0),
        ("cost_in_plain_passes", float(np.median([result.cost["ratio"] for result in results])), "<=", 1.3),
        ("rank_correlation_with_dice", float(rank), ">=", 0.8),
        ("predicted_dice_mae", float(error), "<=", 0.04),
        ("predicted_dice_interval_coverage", covered, ">=", 0.85),
        ("predicted_dice_interval_coverage", covered, "<=", 0.97),
    ]
    return [
        Claim(id=name, measured=value, relation=relation, bound=bound)
        for name, value, relation, bound in measured
    ]


def methods_table(results: Sequence[SeedResult]) -> list[dict[str, Any]]:
    """One row per score: AURC and mean Dice over seeds, and AURC over that of the deep ensemble."""
    rows = []
    for name in results[0].methods:
        values = [result.methods[name] for result in results]
        rows.append(
            {
                "score": name,
                "aurc": round(float(np.mean([method.aurc for method in values])), 5),
                "aurc_per_seed": [round(method.aurc, 5) for method in values],
                "mean_dice": round(float(np.mean([1.0 - method.risk.mean() for method in values])), 4),
                "aurc_of_a_perfect_score": round(
                    float(np.mean([aurc(method.risk, -method.risk) for method in values])), 5
                ),
                "rank_correlation_with_dice": round(
                    float(np.mean([stats.spearmanr(m.confidence, -m.risk).statistic for m in values])), 3
                ),
            }
        )
    return rows


def shifts_table(results: Sequence[SeedResult]) -> list[dict[str, Any]]:
    """Per shift: true and foretold Dice, error and coverage of the interval, over all seeds."""
    shift = np.concatenate([result.shifts for result in results])
    dice, predicted, covered = (
        np.concatenate([getattr(result, name) for result in results])
        for name in ("dice", "predicted", "covered")
    )
    return [
        {
            "shift": str(name),
            "patients": int((shift == name).sum()),
            "mean_dice": round(float(dice[shift == name].mean()), 3),
            "lowest_dice": round(float(dice[shift == name].min()), 3),
            "mean_predicted": round(float(predicted[shift == name].mean()), 3),
            "mean_absolute_error": round(float(np.abs(predicted - dice)[shift == name].mean()), 4),
            "interval_coverage": round(float(covered[shift == name].mean()), 3),
        }
        for name in dict.fromkeys(shift)
    ]


def _aurcs(result: SeedResult, other: str, weight: Array | None) -> tuple[Array, Array]:
    ours, theirs = result.methods[OURS], result.methods[other]
    return aurc(ours.risk, ours.confidence, weight), aurc(theirs.risk, theirs.confidence, weight)


def _ratio(pairs: Sequence[tuple[Array, Array]]) -> Array:
    """Of the means over seeds."""
    return np.asarray(sum(ours for ours, _ in pairs) / sum(theirs for _, theirs in pairs))


def _drawn_ratio(results: Sequence[SeedResult], other: str) -> Array:
    """``(draws,)``: the ratio on the same resampled patients for both."""
    pairs = []
    for number, result in enumerate(results):
        patients = [str(i) for i in range(len(result.shifts))]
        pairs.append(_aurcs(result, other, patient_weights(patients, seed=number, draws=_DRAWS)))
    return _ratio(pairs)
