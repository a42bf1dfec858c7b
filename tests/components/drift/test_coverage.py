"""The exact test against sums of binomial probabilities, and its parts."""

from __future__ import annotations

from math import comb

import pytest

from components.drift.coverage import CoverageParams, PromiseKept, judge_coverage
from components.errors import ParameterError


def returned(kept: int, missed: int, *, promise: str = "predicted quality") -> list[PromiseKept]:
    return [
        PromiseKept(promise=promise, level=0.9, patient_id=f"p{i}", kept=i < kept)
        for i in range(kept + missed)
    ]


def at_most(kept: int, patients: int, level: float = 0.9) -> float:
    return sum(comb(patients, k) * level**k * (1 - level) ** (patients - k) for k in range(kept + 1))


def test_the_p_value_is_the_binomial_tail() -> None:
    verdict = judge_coverage(returned(15, 5), CoverageParams())
    (promise,) = verdict.promises
    assert promise.p_holm == pytest.approx(at_most(15, 20))
    assert (verdict.kind, promise.patients, promise.kept) == ("held", 20, 15)
    assert judge_coverage(returned(13, 7), CoverageParams()).kind == "broken"
    assert at_most(13, 20) < 0.01 < at_most(14, 20)
    assert judge_coverage(returned(14, 6), CoverageParams()).kind == "held"
    assert judge_coverage(returned(20, 0), CoverageParams()).kind == "held"


def test_several_promises_share_the_level() -> None:
    """13 of 20 alone is broken; as one of six promises it is not."""
    alone = returned(13, 7, promise="a")
    others = [one for name in "bcdef" for one in returned(19, 1, promise=name)]
    verdict = judge_coverage([*others, *alone], CoverageParams())
    assert verdict.kind == "held"
    assert verdict.promises[0].p_holm == pytest.approx(6 * at_most(13, 20))
    assert judge_coverage(alone, CoverageParams()).broken


def test_few_patients_say_nothing_and_a_patient_counts_once() -> None:
    few = returned(0, 5)
    verdict = judge_coverage(few * 10, CoverageParams(min_patients=6))
    assert (verdict.kind, verdict.promises[0].patients) == ("not enough evidence", 5)
    assert "not enough evidence, 5 patients" in verdict.words()
    assert judge_coverage([], CoverageParams()).kind == "not enough evidence"
    later = [
        *returned(1, 0),
        PromiseKept(promise="predicted quality", level=0.9, patient_id="p0", kept=False),
    ]
    assert judge_coverage(later, CoverageParams(min_patients=1)).promises[0].kept == 1


def test_the_sentence_names_the_worst_promise() -> None:
    verdict = judge_coverage(returned(5, 15), CoverageParams())
    assert verdict.words() == (
        "coverage broken: predicted quality held the returned label of 5 of 20 patients, promised 90%"
    )
    assert verdict.as_json()["promises"][0]["kept"] == 5


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ParameterError, match="alpha"):
        CoverageParams(alpha=0.0)
