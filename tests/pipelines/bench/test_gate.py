from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from components.operations.expert_frames import findings_truth, probabilities_of
from pipelines.bench import gate_networks
from pipelines.bench.gate import Rate, shipped_params, usefully_better, worse_by_the_margin
from pipelines.bench.gate_figure import draw_gate
from pipelines.bench.gate_networks import judge_networks
from pipelines.bench.gate_trials import (
    FINDINGS,
    NEW,
    OLD,
    Scenario,
    _classification,
    _segmentation,
    passed,
    verdict_of,
)
from pipelines.figures.canvas import png

PARAMS = {task: dataclasses.replace(params, draws=200) for task, params in shipped_params().items()}


def test_the_upper_bound_is_that_of_clopper_and_pearson() -> None:
    rate = Rate(scenario=usefully_better()[0], trials=200, passed=9)
    exact = stats.binomtest(9, 200, alternative="less").proportion_ci(0.95, method="exact").high
    assert rate.upper_95 == pytest.approx(exact)


def test_drawn_hearts_differ_by_what_was_asked_for() -> None:
    scenario = Scenario(
        name="x", task="segmentation", patients=4000, gain=0.1, gains={OLD: -0.05, "aorta": 0.2}
    )
    strata = [OLD, NEW] * 2000
    _, before, after = _segmentation(scenario, strata, np.random.default_rng(0))
    gains = {
        name: [a[name] - b[name] for a, b in zip(after, before, strict=True)]
        for name in ("myocardium", "aorta")
    }
    assert np.mean(gains["aorta"]) == pytest.approx(0.2, abs=0.005)
    of_stratum = np.array(gains["myocardium"]).reshape(-1, 4)  # two frames of an old, two of a new patient
    assert of_stratum[:, :2].mean() == pytest.approx(-0.05, abs=0.005)
    assert of_stratum[:, 2:].mean() == pytest.approx(0.1, abs=0.005)


def test_drawn_chests_have_the_auroc_that_was_asked_for_and_mean_what_they_say() -> None:
    scenario = Scenario(
        name="x", task="classification", patients=20_000, gain=0.05, gains={"emphysema": -0.1}
    )
    frames, before, after = _classification(scenario, [OLD] * 20_000, np.random.default_rng(0))
    names, truth = findings_truth(frames)
    for scores, gain, emphysema in ((before, 0.0, 0.0), (after, 0.05, -0.1)):
        said = probabilities_of(names, scores)
        for k, name in enumerate(names):
            expected = 0.85 + (emphysema if name == "emphysema" else gain)
            assert roc_auc_score(truth[:, k], said[:, k]) == pytest.approx(expected, abs=0.015)
            assert said[:, k].mean() == pytest.approx(truth[:, k].mean(), abs=0.01)
    assert names == FINDINGS


def test_a_trial_is_drawn_from_its_seed() -> None:
    scenario = usefully_better()[0]
    first, again = (verdict_of(scenario, PARAMS["segmentation"], np.random.default_rng(1)) for _ in range(2))
    assert first == again
    assert passed(scenario, PARAMS["segmentation"], 1, range(4)) == passed(
        scenario, PARAMS["segmentation"], 1, range(4)
    )


def test_clear_cases_are_clear() -> None:
    for scenario in worse_by_the_margin(PARAMS):
        wrong = dataclasses.replace(
            scenario, gains={k: 3 * v for k, v in scenario.gains.items()}, gain=min(scenario.gain, 0.05)
        )
        assert not any(passed(wrong, PARAMS[wrong.task], 0, range(3)))
    right = dataclasses.replace(usefully_better()[0], gain=0.1)
    assert all(passed(right, PARAMS["segmentation"], 0, range(3)))


def test_trained_networks_are_judged_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_networks, "START_STEPS", 2)
    monkeypatch.setattr(gate_networks, "MORE_STEPS", 2)
    found = judge_networks(0, PARAMS["segmentation"], tmp_path)
    assert found["leak_refused"] is True
    assert found["small_n_refused"] is True
    assert [row["outcome"] for row in found["rows"]][2:] == ["refused", "not enough evidence"]
    rates = [Rate(scenario=usefully_better()[0], trials=10, passed=4)]
    assert png(draw_gate(rates, [found])).startswith(b"\x89PNG")
