"""What is flagged, against counts made by hand, Wilson's formula and the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.operations.evaluation import IntervalParams
from components.operations.finding_calls import any_call, finding_calls, prevalence, share_interval
from components.operations.finding_scores import FindingScores, metric_interval

PARAMS = IntervalParams(seed=0, draws=400, level=0.95)
NAN = float("nan")


def scores(
    truth: list[list[float]], said: list[list[float]], patients: list[str] | None = None
) -> FindingScores:
    names = ("a", "b")[: len(truth[0])]
    return FindingScores(
        patients=patients or [f"p{i}" for i in range(len(truth))],
        findings=names,
        truth_nk=np.array(truth, dtype=float),
        probability_nk=np.array(said, dtype=float),
        thresholds={"a": 0.5, "b": 0.4},
    )


def test_shares_are_those_counted_by_hand() -> None:
    truth = [1, 1, 1, 0, 0, 0, 0, NAN]
    said = [0.9, 0.6, 0.1, 0.7, 0.2, 0.1, 0.3, 0.8]
    found = finding_calls(scores([[t] for t in truth], [[p] for p in said]), PARAMS)["a"]
    assert (found["positives"], found["negatives"], found["threshold"]) == (3, 4, 0.5)
    values = [found[name]["value"] for name in ("sensitivity", "specificity", "ppv", "npv", "workload")]
    assert values == pytest.approx([2 / 3, 3 / 4, 2 / 3, 3 / 4, 4 / 8], abs=1e-6)


def test_a_share_of_few_who_are_all_right_has_a_width() -> None:
    all_right = scores([[1.0]] * 10 + [[0.0]] * 10, [[0.9]] * 10 + [[0.1]] * 10)
    assert metric_interval(all_right, "sensitivity", "a", PARAMS)["low"] == 1.0
    found = share_interval(all_right, "sensitivity", "a", PARAMS)
    wilson = stats.binomtest(10, 10).proportion_ci(0.95, method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((wilson.low, wilson.high), abs=1e-6)


def test_an_interval_is_never_narrower_than_the_bootstrap() -> None:
    generator = np.random.default_rng(3)
    truth = (generator.random((40, 1)) < 0.5).astype(float).tolist()
    said = generator.random((40, 1)).tolist()
    patients = [f"p{i // 4}" for i in range(40)]
    many_scans = scores(truth, said, patients)
    for metric in ("sensitivity", "specificity", "ppv", "npv", "called"):
        wide, plain = (
            share_interval(many_scans, metric, "a", PARAMS),
            metric_interval(many_scans, metric, "a", PARAMS),
        )
        assert wide["low"] <= plain["low"] <= plain["value"] <= plain["high"] <= wide["high"]


def test_a_study_is_flagged_when_any_finding_is_called() -> None:
    truth = [[1, 0], [0, 1], [0, 0], [0, NAN], [1, NAN], [0, 0]]
    said = [[0.9, 0.0], [0.1, 0.3], [0.1, 0.45], [0.0, 0.0], [0.1, 0.1], [0.1, 0.1]]
    found = any_call(scores(truth, said), PARAMS)
    assert (found["positives"], found["negatives"]) == (3, 2)
    assert found["sensitivity"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["specificity"]["value"] == pytest.approx(1 / 2)
    assert found["workload"]["value"] == pytest.approx(2 / 6, abs=1e-6)
    assert prevalence(scores(truth, said), PARAMS)["value"] == pytest.approx(3 / 5)


def test_a_patient_with_many_scans_counts_once() -> None:
    truth, said = [[1.0], [1.0], [1.0], [1.0]], [[0.9], [0.9], [0.9], [0.1]]
    found = share_interval(scores(truth, said, ["p", "p", "p", "q"]), "sensitivity", "a", PARAMS)
    wilson = stats.binomtest(1, 2).proportion_ci(0.95, method="wilson")
    assert (found["value"], found["patients"]) == (0.5, 2)
    assert found["low"] <= wilson.low + 1e-6
    assert found["high"] >= wilson.high - 1e-6
