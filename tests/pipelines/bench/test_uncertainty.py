"""The claims of the uncertainty bench from made-up scores, and its patients."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.metrics.selective_risk import aurc
from components.scorecard.predicted_quality import QualityEstimate
from pipelines.bench.uncertainty_cases import (
    PHASES,
    SHIFTS,
    frame_table,
    shifted_patients,
    training_patients,
)
from pipelines.bench.uncertainty_claims import (
    DROPOUT,
    ENSEMBLE,
    OURS,
    SINGLE,
    Method,
    SeedResult,
    claims_of,
    methods_table,
    shifts_table,
)
from pipelines.bench.uncertainty_figure import draw_uncertainty


def result(seed: int = 0, *, wrong: float = 0.05, n: int = 60) -> SeedResult:
    """Confidences that see the risk through more and more noise, ours least."""
    generator = np.random.default_rng(seed)
    risk = generator.beta(2.0, 8.0, n)
    noise = {OURS: wrong, ENSEMBLE: 0.1, DROPOUT: 0.2, SINGLE: 0.6}
    methods = {
        name: Method(risk=risk, confidence=-risk + generator.normal(0.0, spread, n))
        for name, spread in noise.items()
    }
    predicted = np.clip(1.0 + methods[OURS].confidence, 0.0, 1.0)
    return SeedResult(
        methods=methods,
        estimates=[QualityEstimate(value=p, low=p - 0.08, high=p + 0.08) for p in predicted.tolist()],
        cost={"ratio": 1.2},
        shifts=[SHIFTS[i % 5] for i in range(n)],
        calibration_patients=60,
        signals={},
    )


def test_claims_are_what_they_say() -> None:
    one = result()
    claims = claims_of([one])
    measured = {claim.id: claim.measured for claim in claims}
    ours, theirs = one.methods[OURS], one.methods[ENSEMBLE]
    ratio = aurc(ours.risk, ours.confidence) / aurc(theirs.risk, theirs.confidence)
    assert measured["aurc_vs_deep_ensemble"] == pytest.approx(float(ratio))
    assert measured["aurc_ratio_upper_95"] > ratio
    assert measured["aurc_vs_single_entropy"] < 1.0
    assert measured["cost_in_plain_passes"] == 1.2
    assert measured["predicted_dice_mae"] == pytest.approx(np.abs(one.predicted - one.dice).mean())
    assert measured["predicted_dice_interval_coverage"] == pytest.approx(
        (np.abs(one.predicted - one.dice) <= 0.08).mean()
    )
    assert measured["rank_correlation_with_dice"] == pytest.approx(
        stats.spearmanr(one.predicted, one.dice).statistic
    )
    bounds = [(claim.id, claim.as_json()["bound"]) for claim in claims]
    assert bounds == [
        ("aurc_vs_deep_ensemble", "<= 1"),
        ("aurc_ratio_upper_95", "<= 1.15"),
        ("aurc_vs_single_entropy", "< 1"),
        ("cost_in_plain_passes", "<= 1.3"),
        ("rank_correlation_with_dice", ">= 0.8"),
        ("predicted_dice_mae", "<= 0.04"),
        ("predicted_dice_interval_coverage", ">= 0.85"),
        ("predicted_dice_interval_coverage", "<= 0.97"),
    ]


def test_a_score_that_sees_nothing_fails() -> None:
    held = {claim.id for claim in claims_of([result(wrong=3.0)]) if claim.holds}
    assert not held & {"aurc_vs_deep_ensemble", "aurc_vs_single_entropy", "rank_correlation_with_dice"}


def test_tables_and_figure_over_seeds() -> None:
    results = [result(1), result(2)]
    rows = {row["score"]: row for row in methods_table(results)}
    assert rows[OURS]["aurc"] == pytest.approx(np.mean(rows[OURS]["aurc_per_seed"]), abs=1e-5)
    assert rows[OURS]["aurc_of_a_perfect_score"] < rows[OURS]["aurc"] < rows[SINGLE]["aurc"]
    shifts = shifts_table(results)
    assert [(row["shift"], row["patients"]) for row in shifts] == [(name, 24) for name in SHIFTS]
    assert len(draw_uncertainty(results).axes) == 2


def test_patients_are_of_every_shift_and_of_one_side_only() -> None:
    train, test = training_patients(101, 2), shifted_patients(101, "test ones", 1)
    known = shifted_patients(101, "known", 1)
    assert [patient.shift for patient in test] == list(SHIFTS)
    scans = [frame.volume.voxels_hu.tobytes() for p in (*train, *test, *known) for frame in p.frames]
    assert len(set(scans)) == 12 * len(PHASES)
    hearts = [frame.labels.labels.tobytes() for p in (*train, *test, *known) for frame in p.frames]
    assert len(set(hearts)) == len(hearts)  # a shifted scan of a training heart would be no other patient
    table = frame_table(test)
    assert table["frame_id"].is_unique
    assert table.groupby("case_id")["phase_percent"].agg(list).tolist() == [list(PHASES)] * 5
    again = shifted_patients(101, "test ones", 1)
    assert [p.frames[0].volume.voxels_hu.tobytes() for p in again] == [
        p.frames[0].volume.voxels_hu.tobytes() for p in test
    ]
