from __future__ import annotations

import numpy as np
import pytest

from components.acquisition.budget import Budget
from components.acquisition.embeddings import Embeddings
from components.acquisition.failure_coverage import CoverageParams, FailureCoverage
from components.acquisition.most_uncertain import most_uncertain
from components.acquisition.scorecards import Scorecards
from components.errors import ParameterError
from components.scorecard.embedding_space import distances
from tests.components.acquisition.pools import choose, numbers, points, pool_of, rng
from tests.components.drift.population import scorecards

PLAIN = CoverageParams(alpha=1.0, power=1.0, typical_every=0, failure=0.0, balance=0.0, guard=None)


def ours(**changes: object) -> FailureCoverage:
    return FailureCoverage(params=CoverageParams(**{**vars(PLAIN), **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_each_choice_takes_away_most_error_by_brute_force(seed: int, power: float) -> None:
    """F(S) = sum of error · (d(L)^p - d(L with S)^p), d at most 1.5 times the median distance; per minute."""
    places, labelled = rng(seed).normal(size=(11, 3)), rng(seed + 99).normal(size=(2, 3))
    quality, minutes = rng(seed + 7).uniform(0.2, 0.9, 11), rng(seed + 8).uniform(10, 40, 11)
    cards = pool_of(predicted_quality=quality.tolist())
    cost = {f"p{i:02d}c": float(value) for i, value in enumerate(minutes)}
    gaps = distances(places, places)
    reach = 1.5 * np.median(gaps[~np.eye(11, dtype=bool)])
    error = (1 - quality) / (1 - quality).mean()

    def left(chosen: list[int]) -> float:
        centres = np.concatenate([labelled, places[chosen]])
        return float((error * np.minimum(distances(places, centres).min(axis=1), reach) ** power).sum())

    budget = Budget(minutes=100.0, case_minutes=cost)
    chosen = ours(failure=1.0, power=power)(cards, points(cards, places, labelled), budget, rng(seed))
    taken: list[int] = []
    for choice, index in zip(chosen, numbers(chosen), strict=True):
        spent = sum(minutes[taken])
        rates = [
            (left(taken) - left([*taken, j])) / minutes[j]
            if j not in taken and spent + minutes[j] <= 100
            else -1.0
            for j in range(11)
        ]
        assert rates[index] == pytest.approx(max(rates), rel=1e-9, abs=1e-12)
        assert choice.score == pytest.approx(rates[index] / left(taken), rel=1e-6)
        taken.append(index)
    assert len(taken) >= 2


def modes(*sizes: int) -> tuple[Scorecards, Embeddings]:
    """Modes of these sizes at the corners of a simplex, 10 apart, their patients 0.1 from the corner."""
    corners = np.eye(len(sizes)) * 10 / np.sqrt(2)
    places = np.concatenate([corner + 0.05 * rng(i).normal(size=(size, len(sizes))) for i, (corner, size) in
                             enumerate(zip(corners, sizes, strict=True))])  # fmt: skip
    cards = pool_of(uncertainty=[0.5] * sum(sizes))
    return cards, points(cards, places)


def mode_of(index: int, sizes: tuple[int, ...]) -> int:
    return int(np.searchsorted(np.cumsum(sizes), index, side="right"))


def test_by_mass_the_large_modes_come_first_and_every_mode_before_a_second_patient_of_one() -> None:
    sizes = (4, 20, 9)
    cards, space = modes(*sizes)
    for seed in range(4):
        chosen = numbers(choose(ours(), cards, 3, seed=seed, embeddings=space))
        assert [mode_of(index, sizes) for index in chosen] == [1, 2, 0]


def test_mass_free_all_modes_weigh_the_same_and_failure_decides() -> None:
    """Density of a tight mode is its size, so with alpha 0 its patients weigh one together."""
    sizes = (4, 20, 9)
    cards, space = modes(*sizes)
    wrong = Scorecards(pool=cards.pool.assign(predicted_quality=[0.4] * 4 + [0.8] * 20 + [0.7] * 9))
    chosen = numbers(choose(ours(alpha=0.0, failure=1.0), wrong, 3, embeddings=space))
    assert [mode_of(index, sizes) for index in chosen] == [0, 2, 1]


def test_twins_are_never_taken_together_and_do_not_change_a_mass_free_choice() -> None:
    places = rng(4).normal(size=(8, 2))
    single = pool_of(uncertainty=[0.5] * 8)
    double = pool_of(uncertainty=[0.5] * 12)
    spread = np.concatenate([places, np.repeat(places[2:3], 4, axis=0)])
    apart = numbers(choose(ours(), double, 5, embeddings=points(double, spread)))
    assert len({min(index, 8) if index < 8 else 2 for index in apart}) == 5
    free = ours(alpha=0.0, power=2.0)
    one = choose(free, single, 3, embeddings=points(single, 10 * np.round(places)))
    many = choose(free, double, 3, embeddings=points(double, 10 * np.round(spread)))
    assert len(one) == len(many) == 3


def test_a_third_of_a_batch_is_typical() -> None:
    cards, space = modes(12, 6, 3)
    chosen = choose(ours(typical_every=3, alpha=0.0), cards, 9, embeddings=space)
    assert ["typical" in choice.reason for choice in chosen] == [False, False, True] * 3


def test_broken_scans_are_neither_chosen_nor_count() -> None:
    _, space = modes(12, 6, 3)
    garbage = np.array([[80.0, 0, 0], [0, -90.0, 0]])
    more = pool_of(uncertainty=[0.5] * 21 + [0.99, 0.99])
    placed = points(more, np.concatenate([space.points_nd, garbage]))
    guarded = FailureCoverage(params=CoverageParams())
    assert set(numbers(choose(guarded, more, 23, embeddings=placed))) == set(range(21))
    unguarded = FailureCoverage(params=CoverageParams(guard=None, alpha=0.0))
    assert {21, 22} <= set(numbers(choose(unguarded, more, 5, embeddings=placed)))


def test_what_is_labelled_is_not_asked_for_again() -> None:
    sizes = (12, 6, 3)
    cards, space = modes(*sizes)
    known = points(cards, space.points_nd, space.points_nd[:1])
    assert mode_of(numbers(choose(ours(), cards, 1, embeddings=known))[0], sizes) == 1


def test_a_rarely_labelled_class_is_preferred() -> None:
    cards, space = modes(5, 5)
    findings = {"output_common": [0.9] * 5 + [0.0] * 5, "output_rare": [0.0] * 5 + [0.9] * 5}
    labelled = pool_of(output_common=[1.0] * 8, output_rare=[0.0] * 8).pool
    both = Scorecards(pool=cards.pool.assign(**findings), labelled=labelled)
    chosen = choose(ours(balance=1.0), both, 1, embeddings=space)
    assert numbers(chosen)[0] >= 5
    assert "shows rare" in chosen[0].reason


def test_without_embeddings_it_falls_back_to_failure_and_says_what_is_missing() -> None:
    pool = Scorecards(pool=scorecards(12, rng(), frames=4).drop(columns="temporal_jump"))
    first = choose(FailureCoverage(), pool, 1)[0]
    assert first.patient_id == choose(most_uncertain, pool, 1)[0].patient_id
    assert "without predicted_quality, embeddings" in first.reason


def test_a_cheaper_patient_of_the_same_worth_is_preferred() -> None:
    cards = pool_of(uncertainty=[0.5] * 4)
    budget = Budget(cases=1, case_minutes={"p02c": 9.0}, usual_minutes=30.0)
    assert numbers(ours()(cards, points(cards, np.zeros((4, 0))), budget, rng())) == [2]


def test_a_large_pool_is_covered_from_a_sample_of_it() -> None:
    places = rng().normal(size=(1500, 4))
    cards = Scorecards(pool=pool_of(uncertainty=[0.5] * 1500).pool)
    chosen = choose(FailureCoverage(), cards, 4, embeddings=points(cards, places))
    assert len(chosen) == 4


@pytest.mark.parametrize("wrong", [{"alpha": 1.5}, {"power": 0.0}, {"typical_every": -1}])
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        CoverageParams(**wrong)  # type: ignore[arg-type]
