from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from components.metrics.bootstrap import Group
from components.metrics.paired import mean_lower_bound
from components.metrics.ranking import auroc
from components.metrics.weighting import Array
from components.registry.endpoints import Endpoint, mean_endpoint, ranking_endpoint

PATIENTS = [f"p{i:02d}" for i in range(60)]
GENERATOR = np.random.default_rng(3)
TRUTH = (np.arange(60) % 3 == 0).astype(np.float64)
FIRST = TRUTH + GENERATOR.normal(0, 1.0, 60)
SECOND = TRUTH + GENERATOR.normal(0, 1.5, 60)


def group(probability: Array) -> Group:
    return Group(patients=PATIENTS, statistic=lambda weight: auroc(TRUTH, probability, weight))


def ranking(first: Array, second: Array, *, smaller_class: int = 20, enough: int = 10) -> Endpoint:
    return ranking_endpoint(
        "auroc/emphysema", "all", group(first), group(second),
        margin=0.1, smaller_class=smaller_class, enough=enough, seed=0, draws=20_000,
    )  # fmt: skip


def placements(probability: Array) -> tuple[Array, Array]:
    """Of each positive among the negatives, and the reverse (DeLong, DeLong & Clarke-Pearson 1988)."""
    positive, negative = probability[TRUTH == 1], probability[TRUTH == 0]
    won = (positive[:, None] > negative[None]).astype(np.float64)
    return won.mean(axis=1), won.mean(axis=0)


def test_a_mean_and_its_bound_are_those_of_the_paired_differences() -> None:
    values = GENERATOR.normal(0.01, 0.03, 30)
    found = mean_endpoint("score", "all", values, margin=0.05, enough=8, seed=4, draws=2000)
    assert found.difference == pytest.approx(values.mean())
    assert found.lower is not None
    assert found.lower(0.05) == mean_lower_bound(values, alpha=0.05, seed=4, draws=2000)


def test_few_patients_have_no_bound() -> None:
    found = mean_endpoint("dice/aorta", "all", np.full(7, 0.1), margin=0.05, enough=8, seed=0, draws=200)
    assert (found.lower, found.patients, found.difference) == (None, 7, pytest.approx(0.1))
    assert mean_endpoint("score", "new", np.empty(0), margin=0.0, enough=2, seed=0, draws=200).lower is None


def test_a_difference_of_auroc_is_that_of_scikit_learn() -> None:
    expected = roc_auc_score(TRUTH, FIRST) - roc_auc_score(TRUTH, SECOND)
    assert ranking(FIRST, SECOND).difference == pytest.approx(expected)


def test_its_bound_is_that_of_delong_with_student_t() -> None:
    """The bootstrap's standard error against the closed form for correlated curves."""
    (pos_a, neg_a), (pos_b, neg_b) = placements(FIRST), placements(SECOND)
    error = np.sqrt(np.var(pos_a - pos_b, ddof=1) / 20 + np.var(neg_a - neg_b, ddof=1) / 40)
    found = ranking(FIRST, SECOND)
    assert found.lower is not None
    expected = found.difference - stats.t.ppf(0.95, 19) * error
    assert found.lower(0.05) == pytest.approx(expected, abs=0.1 * error)


def test_a_model_against_itself_has_no_spread() -> None:
    found = ranking(FIRST, FIRST)
    assert found.lower is not None
    assert found.lower(0.01) == pytest.approx(0.0)


def test_a_rare_finding_is_reported_without_a_bound() -> None:
    assert ranking(FIRST, SECOND, smaller_class=9).lower is None
