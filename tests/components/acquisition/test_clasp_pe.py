from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from components.acquisition.clasp_pe import beta, clasp_pe, turns
from tests.components.acquisition.pools import choose, numbers, pool_of, rng


def test_two_thirds_are_split_evenly_over_the_classes() -> None:
    for cases in (9, 18, 27):
        counts = Counter(turns(["a", "b", "c"], cases, rng(cases)))
        assert counts == {
            "a": cases * 2 // 9,
            "b": cases * 2 // 9,
            "c": cases * 2 // 9,
            "predictive_entropy": cases // 3,
        }
    firsts = {next(name for name in turns(["a", "b"], 3, rng(seed)) if name in "ab") for seed in range(20)}
    assert firsts == {"a", "b"}


def test_beta_rises_exponentially_from_1_to_100() -> None:
    assert [beta(progress) for progress in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 10.0, 100.0])


def test_late_in_the_campaign_each_turn_takes_the_best_of_its_class() -> None:
    """At beta 100 noise has a spread of 0.013, far below the differences of log scores here."""
    cards = pool_of(
        class_score_small=[0.001, 0.8, 0.002, 0.0, 0.0, 0.4],
        class_score_large=[0.9, 0.001, 0.002, 0.3, 0.0, 0.0],
        predictive_entropy=[0.1, 0.2, 0.9, 0.3, 0.5, 0.04],
    )
    chosen = choose(clasp_pe, cards, 6, progress=1.0)
    of = {name: [n for n, c in zip(numbers(chosen), chosen, strict=True) if f"for {name}" in c.reason] for name in
          ("small", "large", "predictive entropy")}  # fmt: skip
    assert of == {"small": [1, 5], "large": [0, 3], "predictive entropy": [2, 4]}


def test_early_on_a_class_turn_is_drawn_in_proportion_to_its_score() -> None:
    """At beta 1; the first turn, of the entropy over all classes, surely goes to the fifth patient."""
    scores, draws = np.array([0.1, 0.2, 0.3, 0.4]), 400
    cards = pool_of(class_score_heart=[*scores, 0.0], predictive_entropy=[0.0, 0.0, 0.0, 0.0, 1.0])
    second = Counter(numbers(choose(clasp_pe, cards, 2, seed=seed))[1] for seed in range(draws))
    assert chisquare([second[i] for i in range(4)], scores * draws).pvalue > 0.01
