from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from components.errors import InputError, ParameterError
from components.operations.evaluation import IntervalParams
from components.operations.reading_queue import ReadingTimes
from components.operations.simulate_queue import QueueParams
from components.operations.simulate_reading import SimulationParams, any_finding, simulate_reading

FINDINGS = ("effusion", "nodule")
INTERVALS = IntervalParams(seed=0, draws=300, level=0.95)
QUICK = SimulationParams(
    times=ReadingTimes(minutes=10.0, variation=0.5), queue=QueueParams(load=0.9, studies=100, streams=40)
)
WEIGHTS = dict.fromkeys(FINDINGS, 1.0)


def table(truth: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """(n, 2) each; a patient per study."""
    columns = {f"truth_{name}": truth[:, k] for k, name in enumerate(FINDINGS)}
    columns |= {f"probability_{name}": probability[:, k] for k, name in enumerate(FINDINGS)}
    return pd.DataFrame({"patient_id": [f"p{i}" for i in range(len(truth))], **columns})


def chest(seed: int, sharpness: float, n: int = 80) -> pd.DataFrame:
    """A fifth of the findings present; probabilities tell them apart by ``sharpness``."""
    generator = np.random.default_rng(seed)
    truth = (generator.random((n, 2)) < 0.2).astype(float)
    logit = sharpness * (truth - 0.5) + generator.normal(size=(n, 2))
    return table(truth, 1 / (1 + np.exp(-logit)))


def test_a_tiny_backlog_by_hand() -> None:
    """Read by urgency: 1 (0.9), 0 (0.8), 2 (0.1), 3 (0.05). Positive: 0 and 3. Ten minutes each."""
    truth = np.array([[1, 0], [0, 0], [0, 0], [0, 1]], dtype=float)
    said = np.array([[0.8, 0], [0.45, 0.45], [0.1, 0], [0.05, 0]])
    found = simulate_reading(table(truth, said), WEIGHTS, QUICK, INTERVALS)
    ours, fifo, oracle = (found["backlog"]["orders"][order] for order in ("urgency", "fifo", "oracle"))
    assert [ours[f"read_{share}"]["value"] for share in (50, 80, 100)] == [20, 40, 40]
    assert [oracle[f"read_{share}"]["value"] for share in (50, 100)] == [10, 20]
    assert (ours["wait_positive"]["value"], ours["wait_negative"]["value"]) == ((10 + 30) / 2, (0 + 20) / 2)
    assert (fifo["wait_positive"]["value"], fifo["wait_negative"]["value"]) == (15, 15)
    assert found["positives_read"]["urgency"] == [20, 40]
    orders = list(itertools.permutations([1, 0, 0, 1]))
    second = np.mean([10 * (np.flatnonzero(order)[1] + 1) for order in orders])
    assert fifo["read_100"]["value"] == pytest.approx(second, abs=1e-6)
    assert found["backlog"]["difference"]["wait_positive"]["value"] == 5
    rows = {row["finding"]: row for row in found["workload"]["rows"]}
    assert [rows[name]["urgency"]["value"] for name in ("any", "effusion", "nodule")] == [1.0, 0.5, 1.0]
    assert rows["nodule"]["oracle"]["value"] == 0.25


def test_two_readers_halve_the_backlog() -> None:
    one = simulate_reading(chest(0, 2.0), WEIGHTS, QUICK, INTERVALS)
    params = SimulationParams(times=ReadingTimes(minutes=10.0, readers=2), queue=QUICK.queue)
    two = simulate_reading(chest(0, 2.0), WEIGHTS, params, INTERVALS)
    for metric, item in one["backlog"]["orders"]["urgency"].items():
        assert two["backlog"]["orders"]["urgency"][metric]["value"] == pytest.approx(
            item["value"] / 2, abs=1e-5
        )


def test_perfect_probabilities_are_the_oracle() -> None:
    known = chest(1, 1.0)
    truth = known[[f"truth_{name}" for name in FINDINGS]].to_numpy()
    found = simulate_reading(table(truth, truth), WEIGHTS, QUICK, INTERVALS)
    for setting in ("backlog", "queue"):
        assert found[setting]["orders"]["urgency"] == found[setting]["orders"]["oracle"]


def test_equal_probabilities_are_first_in_first_out() -> None:
    known = chest(1, 1.0)
    truth = known[[f"truth_{name}" for name in FINDINGS]].to_numpy()
    found = simulate_reading(table(truth, np.full_like(truth, 0.3)), WEIGHTS, QUICK, INTERVALS)
    for setting in ("backlog", "queue"):
        assert found[setting]["orders"]["urgency"] == found[setting]["orders"]["fifo"]
        assert found[setting]["difference"]["wait_positive"]["verdict"] == "no difference shown"


def test_the_oracle_is_at_least_as_good_and_a_telling_model_helps() -> None:
    found = simulate_reading(chest(2, 3.0), WEIGHTS, QUICK, INTERVALS)
    for setting in ("backlog", "queue"):
        waits = {name: item["wait_positive"]["value"] for name, item in found[setting]["orders"].items()}
        assert waits["oracle"] <= waits["urgency"] < waits["fifo"]
        difference = found[setting]["difference"]
        assert (difference["wait_positive"]["verdict"], difference["wait_negative"]["verdict"]) == (
            "less",
            "more",
        )
        assert difference["wait_positive"]["high"] < 0


def test_what_positive_studies_gain_the_others_pay() -> None:
    found = simulate_reading(chest(3, 2.0), WEIGHTS, QUICK, INTERVALS)
    difference = found["backlog"]["difference"]
    gained = found["positive"] * difference["wait_positive"]["value"]
    paid = found["negative"] * difference["wait_negative"]["value"]
    assert gained + paid == pytest.approx(0, abs=1e-3)


def test_a_model_that_knows_nothing_shows_no_difference_and_a_wrong_one_harm() -> None:
    found = simulate_reading(chest(4, 0.0), WEIGHTS, QUICK, INTERVALS)
    assert found["backlog"]["difference"]["wait_positive"]["verdict"] == "no difference shown"
    wrong = simulate_reading(chest(4, -4.0), WEIGHTS, QUICK, INTERVALS)
    assert wrong["backlog"]["difference"]["wait_positive"]["verdict"] == "more"


def test_an_interval_is_that_of_resampled_patients() -> None:
    """Against a loop over draws of patients, each a backlog of its own in a random order of arrival."""
    known = chest(5, 2.0, n=40).assign(patient_id=[f"p{i // 2}" for i in range(40)])
    found = simulate_reading(known, WEIGHTS, QUICK, IntervalParams(seed=0, draws=2000, level=0.9))
    ours = found["backlog"]["orders"]["urgency"]["wait_positive"]
    urgency = known[[f"probability_{name}" for name in FINDINGS]].to_numpy().sum(axis=1)
    positive = known[[f"truth_{name}" for name in FINDINGS]].to_numpy().any(axis=1)
    generator, waits = np.random.default_rng(9), []
    for _ in range(2000):
        drawn = np.concatenate([[2 * p, 2 * p + 1] for p in generator.integers(0, 20, 20)])
        order = np.lexsort((generator.random(40), -urgency[drawn]))
        waits.append(10.0 * np.flatnonzero(positive[drawn][order]).mean())
    assert (ours["low"], ours["high"]) == pytest.approx(np.quantile(waits, [0.05, 0.95]).tolist(), rel=0.04)
    assert ours["patients"] == 20


def test_unknown_truth_counts_on_neither_side() -> None:
    truth = np.array([[1, np.nan], [0, np.nan], [0, 0], [np.nan, np.nan]])
    assert any_finding(truth).tolist()[:1] == [1.0]
    assert np.isnan(any_finding(truth)).tolist() == [False, True, False, True]
    found = simulate_reading(table(truth, np.full((4, 2), 0.5)), WEIGHTS, QUICK, INTERVALS)
    assert (found["positive"], found["negative"], found["unknown"]) == (1, 1, 2)


def test_a_study_without_probability_is_read_first() -> None:
    truth = np.array([[1, 0], [0, 0], [0, 0]], dtype=float)
    said = np.array([[np.nan, 0.1], [0.9, 0.9], [0.1, 0.1]])
    found = simulate_reading(table(truth, said), WEIGHTS, QUICK, INTERVALS)
    assert found["backlog"]["orders"]["urgency"]["wait_positive"]["value"] == 0


def test_a_finding_without_weight_makes_no_study_positive() -> None:
    truth = np.array([[1, 0], [0, 1], [0, 0]], dtype=float)
    found = simulate_reading(table(truth, truth), {"effusion": 1.0, "nodule": 0.0}, QUICK, INTERVALS)
    assert (found["positive"], found["findings"]) == (1, ["effusion"])


def test_the_same_inputs_give_the_same_json() -> None:
    first, second = (
        json.dumps(simulate_reading(chest(6, 1.0), WEIGHTS, QUICK, INTERVALS), allow_nan=False) for _ in "ab"
    )
    assert first == second


def test_one_patient_has_no_interval_and_no_verdict() -> None:
    known = chest(7, 2.0).assign(patient_id="p")
    found = simulate_reading(known, WEIGHTS, QUICK, INTERVALS)
    for setting in ("backlog", "queue"):
        difference = found[setting]["difference"]["wait_positive"]
        assert (difference["low"], difference["verdict"]) == (None, "not enough evidence")


def test_a_limit_of_waiting_shortens_the_longest_wait() -> None:
    def longest(limit: float | None) -> float:
        queue = QueueParams(load=0.95, studies=200, streams=20, longest_wait_minutes=limit)
        found = simulate_reading(chest(8, 1.0), WEIGHTS, SimulationParams(queue=queue), INTERVALS)
        assert any("waited for more than 60 minutes" in text for text in found["assumptions"]) == (
            limit is not None
        )
        return float(found["queue"]["orders"]["urgency"]["longest_positive"]["value"])

    assert longest(60.0) < longest(None)


def test_nothing_to_judge_is_said() -> None:
    absent = np.zeros((5, 2))
    with pytest.raises(InputError, match="at least one positive"):
        simulate_reading(table(absent, absent), WEIGHTS, QUICK, INTERVALS)
    with pytest.raises(InputError, match="got 0 studies"):
        simulate_reading(table(absent[:0], absent[:0]), WEIGHTS, QUICK, INTERVALS)
    with pytest.raises(InputError, match="at least one positive"):
        simulate_reading(table(np.full((3, 2), np.nan), np.zeros((3, 2))), WEIGHTS, QUICK, INTERVALS)


def test_parameters_that_cannot_be_are_refused() -> None:
    with pytest.raises(ParameterError, match="sensitivity"):
        SimulationParams(sensitivity=0.0)
    for wrong in ({"load": 0.0}, {"studies": 0}, {"streams": 0}, {"longest_wait_minutes": 0.0}):
        with pytest.raises(ParameterError, match="load and longest_wait_minutes > 0"):
            QueueParams(**wrong)  # type: ignore[arg-type]
