from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from components.acquisition.budget import Budget
from components.acquisition.choice import Arm, Choice
from components.acquisition.most_uncertain import most_uncertain
from components.acquisition.random_patients import random_patients
from components.acquisition.shadow_arm import choose_with_shadow
from tests.components.acquisition.pools import nowhere, pool_of, rng

CARDS = pool_of(uncertainty=np.linspace(0.1, 0.9, 20).tolist())


def batch(cases: int, *, leads: Arm = "strategy", share: float = 0.2, seed: int = 0) -> tuple[Choice, ...]:
    return choose_with_shadow(
        most_uncertain,
        random_patients,
        leads=leads,
        share=share,
        scorecards=CARDS,
        embeddings=nowhere(CARDS),
        budget=Budget(cases=cases),
        generator=rng(seed),
    )


@pytest.mark.parametrize(("leads", "drawn"), [("strategy", 2), ("random", 8)])
def test_the_arm_that_leads_gets_all_but_the_share(leads: Arm, drawn: int) -> None:
    chosen = batch(10, leads=leads)
    assert Counter(choice.arm for choice in chosen) == {"random": drawn, "strategy": 10 - drawn}
    assert len({choice.patient_id for choice in chosen}) == 10
    assert [choice.arm for choice in chosen] == sorted((choice.arm for choice in chosen), reverse=True)


def test_a_small_batch_keeps_the_share_in_the_long_run() -> None:
    drawn = [sum(choice.arm == "random" for choice in batch(2, seed=seed)) for seed in range(400)]
    assert set(drawn) == {0, 1}
    assert np.mean(drawn) == pytest.approx(0.4, abs=0.07)


def test_the_random_arm_is_a_fair_sample_of_the_whole_pool() -> None:
    drawn = Counter(
        choice.patient_id for seed in range(300) for choice in batch(10, seed=seed) if choice.arm == "random"
    )
    assert chisquare([drawn[f"p{i:02d}"] for i in range(20)]).pvalue > 0.01


def test_without_a_share_there_is_the_strategy_alone() -> None:
    assert {choice.arm for choice in batch(10, share=0.0)} == {"strategy"}


def test_both_arms_together_keep_the_minutes() -> None:
    chosen = choose_with_shadow(
        most_uncertain,
        random_patients,
        leads="strategy",
        share=0.5,
        scorecards=CARDS,
        embeddings=nowhere(CARDS),
        budget=Budget(minutes=100.0, usual_minutes=15.0),
        generator=rng(),
    )
    assert sum(choice.minutes for choice in chosen) == 90.0
