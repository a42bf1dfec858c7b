from __future__ import annotations

import json

import numpy as np
import pytest

from components.scorecard.conformal_sets import AnswerBound, ConformalSets, fit_sets


def cases(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    truth = (generator.random(n) < 0.3).astype(float)
    logit = generator.normal(np.where(truth == 1, 1.0, -1.0), 1.5)
    return truth[:, None], (1.0 / (1.0 + np.exp(-logit)))[:, None]


def fitted(truth: np.ndarray, p: np.ndarray, level: float = 0.9) -> ConformalSets:
    return fit_sets(["nodule"], truth, p, [f"p{i}" for i in range(len(p))], level=level)


def test_the_true_answer_is_in_the_set_as_often_as_promised_with_and_without_the_finding() -> None:
    held: dict[float, list[bool]] = {0.0: [], 1.0: []}
    for seed in range(30):
        sets = fitted(*cases(np.random.default_rng(seed), 150))
        truth, p = cases(np.random.default_rng(1000 + seed), 200)
        for t, one in zip(truth[:, 0], p[:, 0], strict=True):
            word = sets.words({"nodule": float(one)})["nodule"]
            held[float(t)].append(word in ("either", "present" if t else "absent"))
    for answer in (0.0, 1.0):
        assert 0.88 <= float(np.mean(held[answer])) <= 0.94


def test_the_bound_is_the_order_statistic_of_each_answer() -> None:
    truth, p = cases(np.random.default_rng(0), 100)
    absent, present = fitted(truth, p).bounds["nodule"]
    without, with_it = np.sort(p[truth == 0]), np.sort(1.0 - p[truth == 1])
    assert (absent.n, present.n) == (len(without), len(with_it))
    assert absent.bound == without[int(np.ceil((len(without) + 1) * 0.9)) - 1]
    assert present.bound == with_it[int(np.ceil((len(with_it) + 1) * 0.9)) - 1]


def test_too_few_patients_rule_nothing_out() -> None:
    truth, p = np.r_[np.ones(8), np.zeros(9)][:, None], np.r_[np.full(8, 0.9), np.full(9, 0.2)][:, None]
    sets = fitted(truth, p)
    assert sets.bounds["nodule"] == (AnswerBound(bound=0.2, n=9), AnswerBound(bound=1.0, n=8))
    assert sets.words({"nodule": 0.1}) == {"nodule": "either"}
    assert sets.words({"nodule": 0.9}) == {"nodule": "present"}


def test_a_patient_counts_once_and_unknown_answers_do_not() -> None:
    p = np.linspace(0.01, 0.3, 10)
    truth = np.zeros(20)
    truth[15:] = np.nan
    twice = fit_sets(["x"], truth[:, None], np.r_[p, p / 2][:, None], [f"p{i % 10}" for i in range(20)])
    assert twice.bounds["x"][0] == AnswerBound(bound=pytest.approx(0.3), n=10)


def test_words_and_json() -> None:
    sets = ConformalSets(bounds={"x": (AnswerBound(bound=0.4, n=20), AnswerBound(bound=0.3, n=20))})
    words = [sets.words({"x": p})["x"] for p in (0.2, 0.5, 0.8)]
    assert words == ["absent", "neither", "present"]
    assert ConformalSets.of_json(json.loads(json.dumps(sets.as_json()))) == sets
