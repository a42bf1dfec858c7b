from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import chisquare

from components.acquisition.power_bald import perturbed, power_bald
from tests.components.acquisition.pools import choose, numbers, pool_of, rng

SCORES = [0.1, 0.2, 0.3, 0.4]


def test_pairs_are_drawn_as_without_replacement_in_proportion_to_the_score() -> None:
    """Plackett-Luce: P(i, then j) = s_i / S · s_j / (S - s_i)."""
    draws = 800
    cards = pool_of(mutual_information=SCORES)
    found = Counter(tuple(numbers(choose(power_bald, cards, 2, seed=seed))) for seed in range(draws))
    pairs = list(permutations(range(4), 2))
    expected = [draws * SCORES[i] * SCORES[j] / (1 - SCORES[i]) for i, j in pairs]
    assert chisquare([found[pair] for pair in pairs], expected).pvalue > 0.01


@pytest.mark.parametrize("beta", [0.5, 3.0])
def test_the_first_is_drawn_by_softmax_of_beta_log_score(beta: float) -> None:
    draws, generator = 20_000, rng()
    wins = np.bincount(
        [int(perturbed(np.array(SCORES), beta, generator).argmax()) for _ in range(draws)], minlength=4
    )
    logits = beta * np.log(SCORES)
    expected = draws * np.exp(logits) / np.exp(logits).sum()
    assert chisquare(wins, expected).pvalue > 0.01


def test_nothing_to_learn_is_last_and_the_unknown_after_it() -> None:
    cards = pool_of(mutual_information=[np.nan, 0.0, 0.5])
    assert numbers(choose(power_bald, cards, 3)) == [2, 1, 0]
