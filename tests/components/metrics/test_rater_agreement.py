from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from components.metrics.rater_agreement import cohens_kappa


def test_cohens_own_kind_of_table() -> None:
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: p_o = 0.7, p_e = 0.5, kappa = 0.4
    first = np.repeat([1.0, 1.0, 0.0, 0.0], [20, 5, 10, 15])
    second = np.repeat([1.0, 0.0, 1.0, 0.0], [20, 5, 10, 15])
    assert cohens_kappa(first, second) == pytest.approx(0.4)


def test_as_a_second_library_has_it_and_with_weights_as_with_repeated_cases() -> None:
    generator = np.random.default_rng(5)
    first, second = generator.integers(0, 2, (2, 40)).astype(float)
    times = generator.integers(0, 4, 40)
    assert cohens_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))
    repeated = cohen_kappa_score(np.repeat(first, times), np.repeat(second, times))
    both = cohens_kappa(first, second, np.stack([np.ones(40), times.astype(float)]))
    assert both == pytest.approx([cohen_kappa_score(first, second), repeated])


def test_a_case_that_one_did_not_answer_counts_for_nothing() -> None:
    first, second = np.array([1.0, 0.0, 1.0, np.nan]), np.array([1.0, 0.0, 0.0, 1.0])
    assert cohens_kappa(first, second) == pytest.approx(cohen_kappa_score([1, 0, 1], [1, 0, 0]))


def test_there_is_no_kappa_where_nothing_could_differ() -> None:
    assert np.isnan(cohens_kappa(np.ones(5), np.ones(5)))
    assert np.isnan(cohens_kappa(np.array([np.nan]), np.array([1.0])))
