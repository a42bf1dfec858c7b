"""Ranking, thresholding and calibration against scikit-learn, and weights against repetition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from components.metrics.calibration import (
    brier,
    ece,
    fit_temperature,
    reliability,
    temper,
    wilson_interval,
)
from components.metrics.macro import mean_by_support, mean_over_findings, per_finding
from components.metrics.ranking import auroc, average_precision, roc_curve
from components.metrics.thresholding import (
    accuracy,
    called_share,
    chosen_threshold,
    f1,
    npv,
    ppv,
    sensitivity,
    specificity,
)
from components.metrics.weighting import Array, patient_share

FORMS = ("smooth", "tied", "constant")


def sample(form: str, n: int = 200, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    truth = (generator.random(n) < 0.3).astype(np.float64)
    probability = 1 / (1 + np.exp(-generator.normal(2 * truth - 1, 1.5)))
    if form == "tied":
        probability = np.round(probability, 1)
    return truth, np.full(n, 0.4) if form == "constant" else probability


@pytest.mark.parametrize("form", FORMS)
def test_against_scikit_learn(form: str) -> None:
    truth, probability = sample(form)
    assert auroc(truth, probability) == pytest.approx(reference.roc_auc_score(truth, probability))
    expected = reference.average_precision_score(truth, probability)
    assert average_precision(truth, probability) == pytest.approx(expected)
    assert brier(truth, probability) == pytest.approx(reference.brier_score_loss(truth, probability))
    for threshold in (0.3, 0.4, 0.6):
        called = probability >= threshold
        assert np.nan_to_num(f1(truth, probability, threshold)) == pytest.approx(
            reference.f1_score(truth, called)
        )
        right = {1: ppv, 0: npv}
        for label, value in right.items():
            expected = reference.precision_score(truth, called, pos_label=label, zero_division=0.0)
            assert np.nan_to_num(value(truth, probability, threshold)) == pytest.approx(expected)
        assert called_share(truth, probability, threshold) == pytest.approx(called.mean())
    false, true = roc_curve(truth, probability)
    assert np.trapezoid(true, false) == pytest.approx(reference.roc_auc_score(truth, probability))


@pytest.mark.parametrize("metric", [auroc, average_precision, brier, ece])
def test_a_weight_of_k_is_the_sample_k_times(metric: Callable[..., Array]) -> None:
    truth, probability = sample("tied", n=60)
    weight = np.random.default_rng(1).integers(0, 4, size=(5, 60)).astype(np.float64)
    together = metric(truth, probability, weight)
    for row, value in zip(weight.astype(int), together, strict=True):
        assert metric(np.repeat(truth, row), np.repeat(probability, row)) == pytest.approx(value)


@pytest.mark.parametrize("metric", [auroc, average_precision, brier, ece])
def test_unknown_labels_are_left_out(metric: Callable[..., Array]) -> None:
    truth, probability = sample("smooth")
    unknown = np.random.default_rng(2).random(truth.size) < 0.4
    masked = np.where(unknown, np.nan, truth)
    assert metric(masked, probability) == pytest.approx(metric(truth[~unknown], probability[~unknown]))


def test_predictive_values_are_nan_where_nothing_or_everything_is_called() -> None:
    truth, probability = np.array([0.0, 1.0, np.nan]), np.array([0.2, 0.7, 0.9])
    assert np.isnan(ppv(truth, probability, 0.95))
    assert np.isnan(npv(truth, probability, 0.1))
    assert called_share(truth, probability, 0.5) == 0.5


def test_undefined_metrics_are_nan() -> None:
    probability = np.array([0.2, 0.7])
    assert np.isnan(auroc(np.array([1.0, 1.0]), probability))
    assert np.isnan(average_precision(np.array([0.0, 0.0]), probability))
    assert np.isnan(brier(np.array([np.nan, np.nan]), probability))
    assert np.isnan(f1(np.array([0.0, 0.0]), probability, 0.9))


def test_ece_closed_form() -> None:
    truth = np.array([1.0, 0.0, 1.0, 1.0])
    probability = np.array([0.55, 0.55, 0.95, 0.95])
    # two bins of two samples: |0.5 - 0.55| and |1 - 0.95|
    assert ece(truth, probability) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)
    assert ece(np.array([1.0]), np.array([1.0])) == 0.0
    said, share, count = reliability(truth, probability)
    assert (said[5], share[5], count[5]) == pytest.approx((0.55, 0.5, 2))
    assert np.isnan(said[0])


def test_temperature_is_found_again() -> None:
    generator = np.random.default_rng(3)
    honest = generator.uniform(0.02, 0.98, size=20000)
    truth = (generator.random(20000) < honest).astype(np.float64)
    assert fit_temperature(truth, temper(honest, 0.5)) == pytest.approx(2.0, rel=0.05)
    assert fit_temperature(truth, honest) == pytest.approx(1.0, rel=0.05)
    assert fit_temperature(np.ones(5), honest[:5]) == 1.0


def test_the_threshold_of_highest_f1_is_the_best_of_all() -> None:
    truth, probability = sample("smooth")
    found = chosen_threshold(truth, probability, "f1")
    best = max(reference.f1_score(truth, probability >= cut) for cut in probability)
    assert f1(truth, probability, found) == pytest.approx(best)
    assert chosen_threshold(np.zeros(4), np.linspace(0, 1, 4), "f1") == 0.5
    assert chosen_threshold(np.array([0.0, 1.0]), np.array([0.1, 0.9]), "f1") == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["smooth", "tied"])
@pytest.mark.parametrize("target", [0.5, 0.8, 0.95, 1.0])
def test_a_threshold_reaches_its_target_and_no_better_one_does(kind: str, target: float) -> None:
    truth, probability = sample(kind)
    every = np.concatenate([probability, [1.01]])
    sensitivity = {cut: reference.recall_score(truth, probability >= cut) for cut in every}
    specificity = {cut: reference.recall_score(1 - truth, probability < cut) for cut in every}
    found = chosen_threshold(truth, probability, "sensitivity", target)
    assert reference.recall_score(truth, probability >= found) >= target
    assert found <= max(cut for cut in every if sensitivity[cut] >= target)
    assert all(
        sensitivity[cut] < target
        for cut in every
        if cut > found and (probability < cut).sum() > (probability < found).sum()
    )
    found = chosen_threshold(truth, probability, "specificity", target)
    assert reference.recall_score(1 - truth, probability < found) >= target
    assert all(
        specificity[cut] < target for cut in every if (probability < cut).sum() < (probability < found).sum()
    )


def test_unknown_truths_choose_no_threshold() -> None:
    truth = np.array([0.0, 1.0, np.nan, 1.0])
    found = chosen_threshold(truth, np.array([0.2, 0.8, 0.01, 0.6]), "sensitivity", 1.0)
    assert found == pytest.approx(0.4)


def test_macro_leaves_out_findings_without_both_classes() -> None:
    truth, probability = sample("smooth", n=120)
    columns = np.stack([truth, np.zeros_like(truth), 1 - truth], axis=1)
    said = np.stack([probability, probability, probability], axis=1)
    first, third = auroc(truth, probability), auroc(1 - truth, probability)
    assert mean_over_findings(per_finding(auroc, columns, said)) == pytest.approx((first + third) / 2)
    assert np.isnan(per_finding(auroc, columns, said)[1])
    weight = np.ones((3, 120))
    assert mean_over_findings(per_finding(auroc, columns, said, weight)).shape == (3,)
    assert np.isnan(mean_over_findings(per_finding(auroc, columns[:, 1:2], said[:, 1:2])))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("threshold", [0.3, 0.4, 0.6])
def test_decisions_against_scikit_learn_with_weights(form: str, threshold: float) -> None:
    truth, probability = sample(form)
    called, weight = probability >= threshold, np.random.default_rng(5).uniform(0.1, 2.0, truth.size)
    for metric, expected in (
        (accuracy, reference.accuracy_score(truth, called, sample_weight=weight)),
        (sensitivity, reference.recall_score(truth, called, sample_weight=weight)),
        (specificity, reference.recall_score(truth, called, sample_weight=weight, pos_label=0)),
        (f1, reference.f1_score(truth, called, sample_weight=weight, zero_division=0)),
    ):
        assert metric(truth, probability, threshold, weight) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [accuracy, sensitivity, specificity])
def test_decisions_leave_unknown_truths_out_and_take_many_weights(metric: Callable[..., Array]) -> None:
    truth, probability = sample("smooth", n=40)
    masked = np.where(np.arange(40) % 3 == 0, np.nan, truth)
    sure = ~np.isnan(masked)
    weight = np.random.default_rng(0).integers(0, 3, size=(2, 4, 40)).astype(np.float64)
    together = metric(masked, probability, 0.5, weight)
    assert together.shape == (2, 4)
    assert together[1, 2] == pytest.approx(metric(truth[sure], probability[sure], 0.5, weight[1, 2][sure]))
    assert np.isnan(metric(np.full(3, np.nan), np.array([0.1, 0.5, 0.9]), 0.5))


def test_without_the_class_there_is_no_sensitivity_or_specificity() -> None:
    said = np.array([0.2, 0.9])
    assert np.isnan(sensitivity(np.zeros(2), said, 0.5))
    assert np.isnan(specificity(np.ones(2), said, 0.5))
    assert (specificity(np.zeros(2), said, 0.5), sensitivity(np.ones(2), said, 0.5)) == (0.5, 0.5)
    assert accuracy(np.zeros(2), said, 0.2) == 0.0  # a threshold itself is called


def test_weighted_f1_against_scikit_learn() -> None:
    truth = np.stack([sample("smooth", seed=seed)[0] for seed in range(4)], axis=1)
    truth[:, 3] = 0.0
    said = np.stack([sample("smooth", seed=seed)[1] for seed in range(4)], axis=1)
    weight = np.random.default_rng(6).uniform(0.1, 2.0, len(truth))
    values = np.array([f1(truth[:, k], said[:, k], 0.5, weight) for k in range(4)])
    expected = reference.f1_score(
        truth, said >= 0.5, average="weighted", sample_weight=weight, zero_division=0
    )
    assert mean_by_support(values, weight @ truth) == pytest.approx(expected)
    assert np.isnan(mean_by_support(values, np.zeros(4)))


def test_a_patient_with_many_scans_counts_once() -> None:
    truth = np.array([1.0, 1.0, 0.0, np.nan, 0.0])
    share = patient_share(["a", "a", "b", "a", "c"], truth)
    assert share.tolist() == [0.5, 0.5, 1.0, 0.0, 1.0]
    both = patient_share(["a", "a", "b"], np.array([[1.0, np.nan], [1.0, 0.0], [np.nan, np.nan]]))
    assert both.tolist() == [[0.5, 0.0], [0.5, 1.0], [0.0, 0.0]]
    said = np.array([0.9, 0.1, 0.1, 0.5, 0.9])
    # of patient a one half is called, of b nothing, c wrongly
    assert sensitivity(truth, said, 0.5, share) == 0.5
    assert accuracy(truth, said, 0.5, share) == pytest.approx((0.5 + 1.0 + 0.0) / 3)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("hits", "n"), [(0, 5), (3, 5), (5, 5), (40, 111)])
def test_wilson_interval_against_scipy(level: float, hits: int, n: int) -> None:
    low, high = wilson_interval(np.array([hits / n]), np.array([float(n)]), level=level)
    expected = stats.binomtest(hits, n).proportion_ci(confidence_level=level, method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_interval_of_nobody_is_unknown() -> None:
    low, high = wilson_interval(np.array([np.nan, 0.5]), np.array([0.0, 2.0]))
    assert np.isnan([low[0], high[0]]).all()
    assert 0.0 < low[1] < 0.5 < high[1] < 1.0


def test_reliability_with_weights_is_that_of_repeated_samples() -> None:
    truth, probability = sample("smooth", n=50)
    weight = np.random.default_rng(7).integers(0, 3, size=50)
    ours = reliability(truth, probability, weight.astype(np.float64))
    for found, expected in zip(
        ours, reliability(np.repeat(truth, weight), np.repeat(probability, weight)), strict=True
    ):
        assert found == pytest.approx(expected, nan_ok=True)
