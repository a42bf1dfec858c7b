"""What holds for every strategy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.acquisition.budget import Budget
from components.acquisition.choice import eligible
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards
from components.acquisition.strategies import STRATEGIES
from components.errors import InputError
from tests.components.acquisition.pools import rng
from tests.components.drift.population import scorecards


def rich_pool(patients: int = 12) -> pd.DataFrame:
    """Cines with every column that any strategy reads."""
    table = scorecards(patients, rng(), frames=4)
    more = rng(1).uniform(0.05, 0.95, size=(len(table), 9))
    names = (
        "predictive_entropy", "mutual_information", "boundary_entropy", "pairwise_dice_disagreement",
        "student_teacher_dice", "class_score_aorta", "class_score_myocardium", "output_emphysema", "output_nodule",
    )  # fmt: skip
    return table.assign(**dict(zip(names, more.T, strict=True)), foreground_ml=300.0)


POOL = rich_pool()


def run(name: str, pool: pd.DataFrame, budget: Budget, seed: int = 0) -> tuple[object, ...]:
    cards = Scorecards(pool=pool)
    return STRATEGIES[name](cards, Embeddings.of(cards), budget, rng(seed))


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_keeps_the_budget_one_case_per_patient(name: str) -> None:
    for cases in (0, 1, 5, 50):
        cards = Scorecards(pool=POOL)
        chosen = STRATEGIES[name](cards, Embeddings.of(cards), Budget(cases=cases, usual_minutes=30.0), rng())
        assert len(chosen) == min(cases, 12)
        assert len({choice.patient_id for choice in chosen}) == len(chosen)
        assert all(choice.case_id == choice.patient_id + "c" and choice.reason for choice in chosen)
        assert all(choice.minutes == 30.0 and choice.arm == "strategy" for choice in chosen)


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_keeps_the_minutes(name: str) -> None:
    costs = {f"p{i:03d}c": 10.0 + 5.0 * i for i in range(12)}
    cards = Scorecards(pool=POOL)
    chosen = STRATEGIES[name](cards, Embeddings.of(cards), Budget(minutes=100.0, case_minutes=costs), rng())
    spent = sum(choice.minutes for choice in chosen)
    left = [cost for case, cost in costs.items() if case not in {choice.case_id for choice in chosen}]
    assert all(choice.minutes == costs[choice.case_id] for choice in chosen)
    assert spent <= 100.0 < spent + min(left)


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_seed_gives_the_same_choice_in_any_row_order(name: str) -> None:
    shuffled = POOL.sample(frac=1, random_state=3)
    assert run(name, POOL, Budget(cases=6), 5) == run(name, shuffled, Budget(cases=6), 5)


@pytest.mark.parametrize("name", STRATEGIES)
def test_excluded_patients_are_never_chosen(name: str) -> None:
    kept = [f"p{i:03d}" for i in range(9)]
    cards = Scorecards(pool=eligible(POOL, kept), labelled=POOL[POOL["patient_id"].isin(kept)])
    chosen = STRATEGIES[name](cards, Embeddings.of(cards), Budget(cases=12), rng())
    assert {choice.patient_id for choice in chosen} == {"p009", "p010", "p011"}
    assert run(name, eligible(POOL, POOL["patient_id"]), Budget(cases=3)) == ()


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("entropy", "predictive_entropy"),
        ("bald", "mutual_information"),
        ("power_bald", "mutual_information"),
        ("clasp_pe", "class_score_"),
        ("pairwise_dice", "pairwise_dice_disagreement"),
        ("temporal", "temporal_jump"),
    ],
)
@pytest.mark.parametrize("gone", [True, False])
def test_a_missing_signal_is_named(name: str, column: str, gone: bool) -> None:
    columns = [known for known in POOL if str(known).startswith(column)]
    bare = POOL.drop(columns=columns) if gone or name == "clasp_pe" else POOL.assign(**{column: np.nan})
    with pytest.raises(InputError, match=f"{column}.*{name}"):
        run(name, bare, Budget(cases=2))
