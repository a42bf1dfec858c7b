from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from components.acquisition.arm_verdict import ArmAnswer, ArmVerdict, ShadowParams, judge_arms
from components.acquisition.choice import Arm
from components.errors import ParameterError
from tests.components.acquisition.pools import rng

PARAMS = ShadowParams(window=40, min_patients=4)


def answers(arm: Arm, errors: list[float], minutes: float = 10.0) -> list[ArmAnswer]:
    return [
        ArmAnswer(patient_id=f"{arm}{i}", arm=arm, error=error, minutes=minutes)
        for i, error in enumerate(errors)
    ]


def judged(strategy: list[float], chance: list[float], **changes: object) -> ArmVerdict:
    params = ShadowParams(**{**vars(PARAMS), **changes})  # type: ignore[arg-type]
    return judge_arms(answers("strategy", strategy) + answers("random", chance), params, rng())


def test_p_is_that_of_all_permutations() -> None:
    """Brute force over all 70 ways to name four of eight patients."""
    found, chance = [0.5, 0.2, 0.6, 0.3], [0.4, 0.1, 0.25, 0.2]
    everyone = np.array(found + chance)
    gap = np.mean(found) - np.mean(chance)
    gaps = [
        everyone[list(four)].mean() - np.delete(everyone, list(four)).mean()
        for four in combinations(range(8), 4)
    ]
    exact = np.mean(np.array(gaps) >= gap - 1e-12)
    assert judged(found, chance, permutations=20_000).p_value == pytest.approx(exact, abs=0.015)


def test_a_strategy_that_finds_more_per_minute_leads() -> None:
    verdict = judged([0.5, 0.6, 0.7, 0.6, 0.5], [0.1, 0.2, 0.1, 0.15])
    assert (verdict.kind, verdict.leads) == ("pays", "strategy")
    assert verdict.yield_strategy == pytest.approx(0.058)
    assert "the strategy leads: 0.058 of error found per minute" in verdict.words()


def test_one_that_finds_no_more_falls_back_to_chance() -> None:
    verdict = judged([0.1, 0.2, 0.1, 0.15], [0.5, 0.6, 0.7, 0.6, 0.5])
    assert (verdict.kind, verdict.leads) == ("does not pay", "random")
    assert "chance leads until the strategy is better again" in verdict.words()


def test_twice_the_minutes_are_half_the_yield() -> None:
    found = answers("strategy", [0.4] * 6, minutes=40.0) + answers("random", [0.3] * 6, minutes=10.0)
    assert judge_arms(found, PARAMS, rng()).kind == "does not pay"


def test_a_few_patients_say_nothing_however_many_frames_they_have() -> None:
    frames = [ArmAnswer(patient_id="one", arm="random", error=0.9, minutes=5.0)] * 30
    verdict = judge_arms(answers("strategy", [0.1] * 30) + frames, PARAMS, rng())
    assert (verdict.kind, verdict.n_random, verdict.leads) == ("not enough evidence", 1, "strategy")
    assert "too few answers" in verdict.words()
    assert judge_arms([], PARAMS, rng()).kind == "not enough evidence"


def test_only_the_newest_count_and_what_was_not_measured_does_not() -> None:
    old = [ArmAnswer(patient_id=f"old{i}", arm="strategy", error=0.0, minutes=10.0) for i in range(50)]
    new = answers("strategy", [0.6] * 20) + answers("random", [0.1] * 20)
    unmeasured = [ArmAnswer(patient_id="nan", arm="random", error=float("nan"), minutes=10.0)]
    verdict = judge_arms(old + new + unmeasured, PARAMS, rng())
    assert (verdict.kind, verdict.n_strategy, verdict.n_random) == ("pays", 20, 20)


def test_a_strategy_like_chance_leads_as_often_as_the_level_says() -> None:
    params = ShadowParams(window=40, min_patients=8, alpha=0.2, permutations=199)
    pays = [
        judge_arms(
            answers("strategy", rng(seed).gamma(2.0, 1.0, 24).tolist())
            + answers("random", rng(seed + 9999).gamma(2.0, 1.0, 12).tolist()),
            params,
            rng(seed),
        ).kind == "pays"
        for seed in range(300)
    ]  # fmt: skip
    assert np.mean(pays) == pytest.approx(0.2, abs=0.07)


@pytest.mark.parametrize("wrong", [{"share": 0.6}, {"min_patients": 1}, {"window": 10}, {"alpha": 1.0}])
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        ShadowParams(**wrong)  # type: ignore[arg-type]
