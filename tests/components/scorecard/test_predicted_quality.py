from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from components.scorecard.predicted_quality import (
    PredictedQuality,
    QualityEstimate,
    fit_quality,
    least_patients,
)

Case = list[dict[str, float]]


def cohort(
    generator: np.random.Generator, patients: int, noise: float = 0.4
) -> tuple[list[Case], list[float], list[str]]:
    """Quality falls with the entropy, and no signal tells the noise."""
    cases, quality = [], []
    for _ in range(patients):
        entropy = float(np.exp(generator.normal(-2.0, 0.6)))
        logit = -1.2 * (np.log(entropy) + 2.0) + 1.5 + generator.normal(0.0, noise)
        cases.append([{"predictive_entropy": entropy, "boundary_entropy": generator.uniform(0.1, 1.0)}])
        quality.append(float(1.0 / (1.0 + np.exp(-logit))))
    return cases, quality, [f"p{i}" for i in range(patients)]


def learned(seed: int, patients: int, **more: float) -> PredictedQuality:
    fit = fit_quality(*cohort(np.random.default_rng(seed), patients, **more))
    assert fit is not None
    return fit


def said(fit: PredictedQuality, case: Case) -> QualityEstimate:
    estimate = fit.estimate(case)
    assert estimate is not None
    return estimate


def test_new_patients_are_covered_as_often_as_promised() -> None:
    covered = []
    for seed in range(40):
        fit = learned(seed, 40)
        cases, quality, _ = cohort(np.random.default_rng(1000 + seed), 50)
        estimates = [said(fit, case) for case in cases]
        covered += [e.low <= q <= e.high for e, q in zip(estimates, quality, strict=True)]
    assert 0.87 <= float(np.mean(covered)) <= 0.95


def test_it_is_the_jackknife_plus_of_an_independent_ridge() -> None:
    """Barber et al. 2021, eq. 1.6 with as many folds as patients, by another library, which chooses the penalty too."""
    ridge = RidgeCV(alphas=(1.0, 3.0, 10.0, 30.0, 100.0))
    cases, quality, patients = cohort(np.random.default_rng(3), 19)
    fit = fit_quality(cases, quality, patients)
    assert fit is not None
    raw = np.log([[case[0]["predictive_entropy"], case[0]["boundary_entropy"]] for case in cases])
    # columns in the order of the module's signals
    x = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    y = np.log(quality) - np.log1p(-np.array(quality))
    new = [{"predictive_entropy": 0.2, "boundary_entropy": 0.4}]
    at = ((np.log([0.2, 0.4]) - raw.mean(axis=0)) / raw.std(axis=0))[None]
    low, high = [], []
    for i in range(19):
        others = np.arange(19) != i
        model = ridge.fit(x[others], y[others])
        residual = abs(y[i] - model.predict(x[i : i + 1])[0])
        low.append(model.predict(at)[0] - residual)
        high.append(model.predict(at)[0] + residual)
    middle = ridge.fit(x, y).predict(at)[0]
    expected = [np.sort(low)[1], middle, np.sort(high)[17]]  # 2nd of 19 from either end: floor(0.1 * 20)
    estimate = said(fit, new)
    got = np.array([estimate.low, estimate.value, estimate.high])
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-np.array(expected))), rtol=1e-6)


@pytest.mark.parametrize(("level", "n"), [(0.9, 9), (0.95, 19), (0.8, 4), (0.5, 1)])
def test_how_many_patients_an_interval_needs(level: float, n: int) -> None:
    assert least_patients(level) == n


def test_too_few_patients_give_nothing() -> None:
    assert fit_quality(*cohort(np.random.default_rng(0), 8)) is None
    assert fit_quality(*cohort(np.random.default_rng(0), 9)) is not None
    assert fit_quality([], [], []) is None
    cases, quality, _ = cohort(np.random.default_rng(0), 30)
    assert fit_quality(cases, quality, [f"p{i % 8}" for i in range(30)]) is None


def test_a_patient_counts_once_however_many_cases() -> None:
    cases, quality, patients = cohort(np.random.default_rng(0), 25)
    once = fit_quality(cases, quality, patients)
    many = fit_quality(cases + [cases[0]] * 30, quality + [quality[0]] * 30, patients + [patients[0]] * 30)
    assert once is not None
    assert many is not None
    new = cohort(np.random.default_rng(9), 5)[0]
    for case in new:
        one, other = said(once, case), said(many, case)
        np.testing.assert_allclose(
            [one.value, one.low, one.high], [other.value, other.low, other.high], atol=1e-9
        )


def test_a_case_without_a_signal_has_no_estimate_and_frames_are_averaged() -> None:
    fit = learned(0, 30)
    assert fit.signals == ("predictive_entropy", "boundary_entropy")
    assert fit.estimate([{"predictive_entropy": 0.2}]) is None
    assert fit.estimate([{"predictive_entropy": 0.2, "boundary_entropy": float("nan")}]) is None
    one = said(fit, [{"predictive_entropy": 0.2, "boundary_entropy": 0.5}])
    two = said(
        fit,
        [
            {"predictive_entropy": 0.1, "boundary_entropy": 0.4},
            {"predictive_entropy": 0.3, "boundary_entropy": 0.6},
        ],
    )
    assert two.value == pytest.approx(one.value)


def test_a_signal_that_some_case_lacks_is_not_learned_from() -> None:
    cases, quality, patients = cohort(np.random.default_rng(0), 30)
    cases[4][0]["boundary_entropy"] = float("nan")
    fit = fit_quality(cases, quality, patients)
    assert fit is not None
    assert fit.signals == ("predictive_entropy",)


def test_estimates_and_intervals_are_shares_in_order() -> None:
    fit = learned(5, 30, noise=2.0)
    for case in cohort(np.random.default_rng(6), 50)[0]:
        estimate = said(fit, case)
        assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0


@pytest.mark.parametrize("quality", [0.0, 1.0])
def test_an_interval_that_reaches_the_edge_holds_the_edge(quality: float) -> None:
    cases, _, patients = cohort(np.random.default_rng(0), 12)
    fit = fit_quality(cases, [quality] * 12, patients)
    assert fit is not None
    estimate = said(fit, cases[0])
    assert estimate.low <= quality <= estimate.high


def test_it_is_kept_as_plain_json() -> None:
    fit = learned(0, 30)
    again = PredictedQuality.of_json(json.loads(json.dumps(fit.as_json())))
    case = cohort(np.random.default_rng(2), 1)[0][0]
    assert again.estimate(case) == fit.estimate(case)
    with pytest.raises(ValueError, match="shapes"):
        PredictedQuality.of_json({**fit.as_json(), "weights": [1.0]})
