"""Ranking, thresholding and calibration against scikit-learn, and weights against repetition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as reference

from components.metrics.calibration import brier, ece, fit_temperature, reliability, temper
from components.metrics.macro import macro, per_finding
from components.metrics.ranking import auroc, average_precision, roc_curve
from components.metrics.thresholding import chosen_threshold, f1
from components.metrics.weighting import Array

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
    assert macro(auroc, columns, said) == pytest.approx((first + third) / 2)
    assert np.isnan(per_finding(auroc, columns, said)[1])
    weight = np.ones((3, 120))
    assert macro(auroc, columns, said, weight).shape == (3,)
    assert np.isnan(macro(auroc, columns[:, 1:2], said[:, 1:2]))
