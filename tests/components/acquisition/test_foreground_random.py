from __future__ import annotations

from collections import Counter

import pytest
from scipy.stats import chisquare

from components.acquisition.foreground_random import foreground_random
from components.errors import InputError
from tests.components.acquisition.pools import choose, numbers, pool_of

DRAWS = 1000


def firsts(**columns: list[float]) -> Counter[int]:
    cards = pool_of(**columns)
    return Counter(numbers(choose(foreground_random, cards, 1, seed=seed))[0] for seed in range(DRAWS))


def test_two_thirds_are_drawn_where_there_is_foreground() -> None:
    """Two of six patients show any: each 1/3 · 1/6 + 2/3 · 1/2, the others 1/3 · 1/6."""
    found = firsts(foreground_ml=[0.0, 300.0, 0.0, 0.0, 1.0, 0.0])
    expected = [DRAWS * (1 / 18 + (1 / 3 if i in (1, 4) else 0)) for i in range(6)]
    assert chisquare([found[i] for i in range(6)], expected).pvalue > 0.01


def test_a_structure_counts_as_much_as_any_other_however_few_show_it() -> None:
    """The aorta is shown by all four, the appendage by one: 1/3 · 1/4 + 2/3 · (1/2 · 1/4 + 1/2 for that one)."""
    found = firsts(output_aorta_ml=[9.0] * 4, output_appendage_ml=[0.0, 0.0, 0.0, 2.0])
    expected = [DRAWS * (1 / 6 + (1 / 3 if i == 3 else 0)) for i in range(4)]
    assert chisquare([found[i] for i in range(4)], expected).pvalue > 0.01


def test_a_pool_without_any_foreground_is_plain_chance() -> None:
    found = firsts(foreground_ml=[0.0, 0.0, 0.0])
    assert chisquare([found[i] for i in range(3)]).pvalue > 0.01


def test_findings_are_no_foreground() -> None:
    with pytest.raises(InputError, match="foreground_ml"):
        choose(foreground_random, pool_of(output_emphysema=[0.3, 0.4]), 1)
