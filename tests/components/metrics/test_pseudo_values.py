from __future__ import annotations

import numpy as np
import pytest

from components.metrics.bootstrap import Group
from components.metrics.pseudo_values import pseudo_values
from components.metrics.ranking import auroc
from components.metrics.weighting import Array, weighted_mean


def test_of_a_mean_they_are_the_values() -> None:
    values = np.array([0.1, 0.5, 0.9, 0.4])
    found = pseudo_values(Group(patients=list("abcd"), statistic=lambda w: weighted_mean(values, w)))
    assert list(found) == list("abcd")
    assert list(found.values()) == pytest.approx(values)


def delong_variance(truth: Array, score: Array) -> float:
    """From the structural components (DeLong, DeLong & Clarke-Pearson 1988, eq. 3 to 5)."""
    positive, negative = score[truth == 1], score[truth == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return float(
        wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative)
    )


def test_the_error_of_their_mean_is_delongs() -> None:
    generator = np.random.default_rng(0)
    truth = (np.arange(200) % 3 == 0).astype(float)
    score = generator.normal(size=200) + truth
    group = Group(patients=[str(i) for i in range(200)], statistic=lambda w: auroc(truth, score, w))
    values = np.array(list(pseudo_values(group).values()))
    assert values.mean() == pytest.approx(group.value)
    assert values.var(ddof=1) / 200 == pytest.approx(delong_variance(truth, score), rel=0.02)


def test_a_patients_samples_leave_together_and_undefined_is_nothing() -> None:
    values = np.array([1.0, 3.0, 5.0])
    group = Group(patients=["a", "a", "b"], statistic=lambda w: weighted_mean(values, w))
    assert pseudo_values(group).keys() == {"a", "b"}
    lonely = np.array([1.0, 0.0, 0.0])  # without its only positive there is no AUROC
    said = np.array([0.9, 0.1, 0.2])
    assert pseudo_values(Group(patients=list("abc"), statistic=lambda w: auroc(lonely, said, w))) == {}
