from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import InputError, ParameterError
from components.metrics.paired import mean_lower_bound
from components.metrics.weighting import Array
from components.registry.endpoints import Endpoint
from components.registry.gate import judge
from components.registry.gate_limits import Traits
from components.registry.gate_params import GateParams
from components.registry.verdict import Check, Verdict

PARAMS = GateParams(margin=0.03, floor=0.5, draws=2000)


def table(scores: Array, strata: list[str]) -> pd.DataFrame:
    patients = [f"p{i:03d}" for i in range(len(scores))]
    return pd.DataFrame({"patient_id": patients, "stratum": strata, "score": scores})


def pair(
    old: int, new: int, *, gain_old: float, gain_new: float, spread: float = 0.02, seed: int = 0
) -> Verdict:
    """A gate over ``old`` + ``new`` patients whose scores change by these gains, with noise."""
    generator = np.random.default_rng(seed)
    strata = ["one"] * old + ["two"] * new
    before = generator.uniform(0.6, 0.9, size=old + new)
    gain = np.array([gain_old] * old + [gain_new] * new) + generator.normal(0, spread, size=old + new)
    return judge(
        table(before, strata), table(before + gain, strata), training_patients=["x1", "x2"], params=PARAMS
    )


def checks(verdict: Verdict, name: str) -> dict[str, Check]:
    return {check.stratum: check for check in verdict.checks if check.name == name}


def test_the_champion_against_itself_is_refused() -> None:
    scores = table(np.random.default_rng(0).uniform(0.5, 0.9, size=20), ["one"] * 10 + ["two"] * 10)
    verdict = judge(scores, scores, training_patients=[], params=PARAMS)
    assert verdict.outcome == "refused"
    assert "not shown to be better" in verdict.reason
    assert all(check.holds for check in checks(verdict, "non-inferiority").values())


def test_better_everywhere_is_accepted() -> None:
    verdict = pair(10, 10, gain_old=0.05, gain_new=0.05)
    assert verdict.accepted
    assert checks(verdict, "superiority")["all"].holds
    alphas = {check.alpha for check in checks(verdict, "superiority").values()}
    assert len(alphas) == 1
    assert 0.05 / 3 <= alphas.pop() < 0.05  # type: ignore[operator]


def test_repairing_the_new_scanner_counts() -> None:
    verdict = pair(12, 8, gain_old=0.0, gain_new=0.10)
    assert verdict.accepted
    assert checks(verdict, "superiority")["two"].holds


def test_forgetting_the_old_scanner_is_refused_though_better_on_average() -> None:
    verdict = pair(8, 16, gain_old=-0.08, gain_new=0.15)
    overall = checks(verdict, "non-inferiority")["all"]
    assert overall.mean is not None
    assert overall.mean > 0
    assert verdict.outcome == "refused"
    assert not checks(verdict, "non-inferiority")["one"].holds
    assert "one" in verdict.reason


def test_worse_is_refused() -> None:
    verdict = pair(10, 10, gain_old=-0.1, gain_new=-0.1)
    assert verdict.outcome == "refused"
    assert "lose" in verdict.reason


def test_few_patients_are_never_a_pass() -> None:
    verdict = pair(4, 3, gain_old=0.3, gain_new=0.3)
    assert verdict.outcome == "not enough evidence"
    assert verdict.reason == "test patients: 7, needed: 8"
    assert not verdict.accepted


def test_a_champion_that_failed_is_no_evidence_against_it() -> None:
    scores = table(np.full(10, 0.5), ["one"] * 10)
    better = scores.assign(score=0.9)
    verdict = judge(scores, better, training_patients=[], params=PARAMS, unjudged_patients={"p003"})
    assert verdict.outcome == "not enough evidence"
    assert verdict.reason == "test patients on whom the champion failed: 1, allowed: 0; gate again"
    assert checks(verdict, "failure")["all"].patients == 1


def test_a_small_stratum_is_reported_and_judged_only_within_all() -> None:
    verdict = pair(12, 5, gain_old=0.05, gain_new=0.05)
    assert checks(verdict, "superiority").keys() == {"all", "one"}
    small = checks(verdict, "non-inferiority")["two"]
    assert small.holds is None
    assert small.patients == 5


def test_a_single_stratum_is_tested_once() -> None:
    verdict = pair(12, 0, gain_old=0.05, gain_new=0.0)
    assert checks(verdict, "superiority")["all"].alpha == pytest.approx(0.05)


def test_a_leak_is_refused_before_anything_else() -> None:
    scores = table(np.full(10, 0.5), ["one"] * 10)
    better = scores.assign(score=0.9)
    verdict = judge(scores, better, training_patients=["p003", "p004"], params=PARAMS)
    assert verdict.outcome == "refused"
    assert checks(verdict, "leak")["all"].patients == 2
    assert verdict.reason == "test patients that are training patients too: 2, allowed: 0"


def test_the_first_model_is_held_against_the_floor() -> None:
    generator = np.random.default_rng(0)
    good = table(generator.uniform(0.6, 0.8, size=10), ["one"] * 10)
    verdict = judge(None, good, training_patients=[], params=PARAMS)
    assert verdict.accepted
    assert "first model" in verdict.reason
    poor = good.assign(score=good["score"] - 0.25)
    assert judge(None, poor, training_patients=[], params=PARAMS).outcome == "refused"
    few = good.head(5)
    assert judge(None, few, training_patients=[], params=PARAMS).outcome == "not enough evidence"


def test_the_floor_is_measured_from_the_baseline_where_there_is_one() -> None:
    generator = np.random.default_rng(0)
    params = dataclasses.replace(PARAMS, floor=0.0)
    scores = table(generator.uniform(0.8, 0.9, size=20), ["one"] * 20)
    lead = scores.assign(baseline=scores["score"] - generator.uniform(0.0, 0.05, size=20))
    assert judge(None, lead, training_patients=[], params=params).accepted
    behind = scores.assign(baseline=scores["score"] + generator.uniform(-0.03, 0.05, size=20))
    assert judge(None, behind, training_patients=[], params=params).outcome == "refused"


def test_other_patients_or_scores_that_are_not_finite_are_an_error() -> None:
    scores = table(np.full(10, 0.5), ["one"] * 10)
    with pytest.raises(InputError, match="same test patients"):
        judge(scores, scores.head(9), training_patients=[], params=PARAMS)
    with pytest.raises(InputError, match="finite"):
        judge(scores, scores.assign(score=np.nan), training_patients=[], params=PARAMS)
    with pytest.raises(InputError, match="repeated"):
        judge(scores, pd.concat([scores, scores]), training_patients=[], params=PARAMS)


def test_the_verdict_is_json_and_reproducible() -> None:
    verdict = pair(12, 8, gain_old=0.0, gain_new=0.10)
    content = json.loads(json.dumps(verdict.as_json(), allow_nan=False))
    assert content["accepted"] is True
    assert content["parameters"]["margin"] == 0.03
    assert len(content["patients"]) == 20
    assert content == pair(12, 8, gain_old=0.0, gain_new=0.10).as_json()


# --- error rates. Differences of mean 0 and standard deviation 1, as scores differ between two models.
NULLS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": lambda g, shape: g.normal(size=shape),
    "heavy tails (t3)": lambda g, shape: g.standard_t(3, size=shape) / np.sqrt(3),
    "uniform": lambda g, shape: g.uniform(-1, 1, size=shape) * np.sqrt(3),
    "difference of two Dice-like scores": lambda g, shape: (
        (g.beta(8, 2, size=shape) - g.beta(8, 2, size=shape)) / 0.17
    ),
    "few large gains": lambda g, shape: g.exponential(size=shape) - 1,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NULLS)
def test_an_equal_challenger_passes_in_at_most_six_of_a_hundred_gates(name: str) -> None:
    generator = np.random.default_rng(7)
    trials, strata = 250, ["one"] * 8 + ["two"] * 8
    params = dataclasses.replace(PARAMS, draws=400, margin=0.1)
    champion = table(np.full(16, 0.7), strata)
    accepted = 0
    for _ in range(trials):
        challenger = table(0.7 + 0.02 * NULLS[name](generator, (16,)), strata)
        accepted += judge(champion, challenger, training_patients=[], params=params).accepted
    # two standard errors of the simulation above the bound
    assert accepted / trials <= 0.06 + 2 * np.sqrt(0.06 * 0.94 / trials)


@pytest.mark.parametrize("name", NULLS)
@pytest.mark.parametrize("n", [8, 20])
def test_the_bound_lies_above_the_true_mean_in_at_most_six_of_a_hundred_samples(name: str, n: int) -> None:
    samples = NULLS[name](np.random.default_rng(11), (400, n))
    above = np.mean([mean_lower_bound(values, alpha=0.05, seed=0, draws=400) > 0 for values in samples])
    assert above <= 0.06 + 2 * np.sqrt(0.06 * 0.94 / 400)


def test_a_challenger_ten_points_better_on_eight_new_patients_passes() -> None:
    accepted = [
        pair(12, 8, gain_old=0.0, gain_new=0.10, spread=0.03, seed=seed).accepted for seed in range(40)
    ]
    assert np.mean(accepted) >= 0.9


@pytest.mark.parametrize(
    "wrong", [{"alpha": 5.0}, {"margin": 1.0}, {"gain": -0.1}, {"draws": 0}, {"min_patients": 0}]
)
def test_a_gate_that_judges_nothing_cannot_be_built(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=r"0 < alpha < 0.5"):
        dataclasses.replace(PARAMS, **wrong)


def endpoint(difference: float, *, judged: bool = True, may_win: bool = False) -> Endpoint:
    spread = np.random.default_rng(2).normal(0, 0.02, size=20)
    values = difference + spread - spread.mean()
    return Endpoint(
        name="dice/aorta", stratum="all", differences={f"p{i:03d}": float(v) for i, v in enumerate(values)},
        margin=0.1, judged=judged, may_win=may_win,
    )  # fmt: skip


def extended(**extra: Any) -> Verdict:
    before = table(np.random.default_rng(0).uniform(0.6, 0.9, size=20), ["one"] * 20)
    gain = 0.05 + np.random.default_rng(1).normal(0, 0.01, size=20)
    after = before.assign(score=before["score"] + gain)
    return judge(before, after, training_patients=[], params=PARAMS, **extra)


def test_one_structure_that_may_lose_more_than_its_margin_refuses() -> None:
    assert extended(endpoints=[endpoint(-0.08)]).accepted
    verdict = extended(endpoints=[endpoint(-0.097)])
    assert verdict.outcome == "refused"
    assert verdict.reason.startswith("may lose more than the margin: dice/aorta -0.097 (≥ -0.10")
    assert verdict.reason.endswith("margin 0.1")


def test_a_structure_of_few_patients_is_reported() -> None:
    verdict = extended(endpoints=[endpoint(-0.5, judged=False)])
    assert verdict.accepted
    (check,) = (check for check in verdict.checks if check.endpoint == "dice/aorta")
    assert (check.holds, check.lower, check.mean) == (None, None, pytest.approx(-0.5))


def test_what_costs_too_much_is_refused_though_better() -> None:
    verdict = extended(traits=(Traits(seconds=1.0), Traits(seconds=9.0)))
    assert verdict.outcome == "refused"
    assert verdict.reason == "costs more than the limits allow: latency 9, allowed 1.5"


def test_a_lineage_with_gaps_is_refused() -> None:
    verdict = extended(lineage_gaps=("seed", "dvc.lock"))
    assert verdict.outcome == "refused"
    assert verdict.reason == "its lineage is not complete, it lacks: seed, dvc.lock"


def test_a_required_stratum_without_patients_is_not_enough_evidence() -> None:
    params = dataclasses.replace(PARAMS, required_strata=("one", "two"))
    scores = table(np.full(12, 0.5), ["one"] * 12)
    verdict = judge(scores, scores.assign(score=0.9), training_patients=[], params=params)
    assert verdict.outcome == "not enough evidence"
    assert verdict.reason == "test patients of stratum two: 0, needed: 8"


def test_the_endpoints_that_may_win_share_alpha() -> None:
    verdict = extended(endpoints=[endpoint(0.1, may_win=True), endpoint(0.1)])
    alphas = {check.alpha for check in verdict.checks if check.name == "superiority"}
    assert len(alphas) == 1
    assert 0.025 <= alphas.pop() < 0.05  # type: ignore[operator]
    assert "dice/aorta +0.100" in verdict.reason
