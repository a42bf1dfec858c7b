from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components.scorecard.estimated_auroc import estimate_auroc, expected_auroc


def test_the_expectation_is_the_weighted_mean_over_label_draws() -> None:
    """Pairs positive-negative, averaged over all label assignments, each with its probability."""
    p = np.array([0.2, 0.5, 0.9, 0.5])
    right = total = 0.0
    for labels in np.ndindex(2, 2, 2, 2):
        truth = np.array(labels)
        chance = np.prod(np.where(truth == 1, p, 1 - p))
        pairs = [(i, j) for i in range(4) for j in range(4) if truth[i] > truth[j]]
        right += chance * sum((p[i] > p[j]) + 0.5 * (p[i] == p[j]) for i, j in pairs)
        total += chance * len(pairs)
    assert expected_auroc(p) == pytest.approx(right / total)


def test_it_foretells_the_auroc_of_calibrated_probabilities() -> None:
    generator = np.random.default_rng(0)
    held, errors = [], []
    for _ in range(60):
        p = generator.beta(1, 2, 80)
        truth = generator.random(80) < p
        found = estimate_auroc(p, generator, draws=200)
        measured = roc_auc_score(truth, p)
        held.append(found.low <= measured <= found.high)
        errors.append(found.value - measured)
    assert 0.8 <= np.mean(held) <= 1.0
    assert abs(np.mean(errors)) < 0.02


def test_nothing_to_rank_has_no_estimate() -> None:
    assert np.isnan(estimate_auroc(np.array([0.5]), np.random.default_rng(0)).value)
    assert np.isnan(expected_auroc(np.array([1.0, 1.0])))
