from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.acquisition.choice import eligible
from components.acquisition.coverage import coverage
from components.acquisition.frames_of_case import frames_of_case
from components.acquisition.most_uncertain import most_uncertain
from components.acquisition.strategies import STRATEGIES, StrategyName
from tests.components.drift.population import scorecards


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def pool() -> pd.DataFrame:
    return scorecards(12, rng(), frames=4)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_keeps_the_budget_one_case_per_patient(name: StrategyName, pool: pd.DataFrame) -> None:
    for budget in (0, 1, 5, 50):
        chosen = STRATEGIES[name](pool, budget, rng())
        assert len(chosen) == min(budget, 12)
        assert len({choice.patient_id for choice in chosen}) == len(chosen)
        assert all(choice.case_id == choice.patient_id + "c" and choice.reason for choice in chosen)


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_seed_gives_the_same_choice_in_any_row_order(name: StrategyName, pool: pd.DataFrame) -> None:
    shuffled = pool.sample(frac=1, random_state=3)
    assert STRATEGIES[name](pool, 6, rng(5)) == STRATEGIES[name](shuffled, 6, rng(5))


@pytest.mark.parametrize("name", STRATEGIES)
def test_excluded_patients_are_never_chosen(name: StrategyName, pool: pd.DataFrame) -> None:
    kept = [f"p{i:03d}" for i in range(9)]
    chosen = STRATEGIES[name](eligible(pool, kept), 12, rng())
    assert {choice.patient_id for choice in chosen} == {"p009", "p010", "p011"}
    assert STRATEGIES[name](eligible(pool, pool["patient_id"]), 3, rng()) == ()


def test_random_differs_between_seeds_and_reaches_everyone(pool: pd.DataFrame) -> None:
    drawn = {STRATEGIES["random"](pool, 1, rng(seed))[0].patient_id for seed in range(120)}
    assert len(drawn) == 12


def test_most_uncertain_ranks_patients_by_their_worst_case() -> None:
    table = pd.DataFrame(
        {
            "patient_id": ["a", "a", "b", "c"],
            "case_id": ["a1", "a2", "b1", "c1"],
            "uncertainty": [0.1, 0.9, 0.5, np.nan],
        }
    )
    assert [choice.case_id for choice in most_uncertain(table, 3, rng())] == ["a2", "b1", "c1"]


def test_coverage_visits_every_cluster_before_it_repeats_one() -> None:
    """Three far clusters of equally sure patients: four far choices and two typical ones reach all three."""
    centres = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    points = np.concatenate([centre + rng(i).normal(size=(8, 2)) for i, centre in enumerate(centres)])
    table = pd.DataFrame(
        {
            "patient_id": [f"p{i:02d}" for i in range(24)],
            "case_id": [f"c{i:02d}" for i in range(24)],
            "uncertainty": 0.5,
            "embedding_000": points[:, 0],
            "embedding_001": points[:, 1],
        }
    )
    for seed in range(5):
        chosen = coverage(table, 6, rng(seed))
        assert {int(choice.patient_id[1:]) // 8 for choice in chosen} == {0, 1, 2}
        assert sum("typical" in choice.reason for choice in chosen) == 2


def test_coverage_without_embeddings_falls_back_to_uncertainty(pool: pd.DataFrame) -> None:
    bare = pool.drop(columns=[column for column in pool if column.startswith("embedding_")])
    first = coverage(bare, 1, rng())[0]
    assert first.patient_id == most_uncertain(pool, 1, rng())[0].patient_id


def test_frames_are_few_and_far_apart_in_the_cycle() -> None:
    case = pd.DataFrame(
        {
            "frame_id": [f"f{i}" for i in range(10)],
            "phase_percent": np.arange(10) * 10.0,
            "uncertainty": [0.1] * 9 + [0.9],
        }
    )
    assert frames_of_case(case, 1) == ("f9",)
    assert frames_of_case(case, 2) == ("f9", "f4")
    assert len(frames_of_case(case, 99)) == 10


def test_a_plain_ct_has_its_one_frame() -> None:
    case = pd.DataFrame({"frame_id": ["only"], "phase_percent": [np.nan], "uncertainty": [0.3]})
    assert frames_of_case(case, 2) == ("only",)
