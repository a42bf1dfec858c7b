"""The deletion test has power where the relevance is true, none where it is not, and says when scans are too few."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy import stats

from components.errors import ParameterError
from components.models.relevance import Relevance
from components.operations.deletion import DeletionParams, delete
from components.operations.deletion_test import deletion_test
from tests.components.models.marked_scans import FINDINGS, additive, scan, trained

NAMES = ("finding_0", "finding_1")
HALF = dict.fromkeys(NAMES, 0.5)


def weights(generator: np.random.Generator, tokens: int = 20) -> np.ndarray:
    """Two findings, each said by three neighbours among many that say next to nothing."""
    found = generator.normal(0, 0.05, size=(2, tokens))
    for row in found:
        start = generator.integers(0, tokens - 2)
        row[start : start + 3] += 1.5
    return found


def scans(seed: int, patients: int, *, true: bool) -> list[tuple[str, Relevance]]:
    generator = np.random.default_rng(seed)
    made = []
    for patient in range(patients):
        says = weights(generator)
        made.append((f"p{patient}", additive(says, says if true else generator.normal(size=says.shape))))
    return made


def test_true_relevance_beats_both_controls() -> None:
    result = deletion_test(scans(0, 8, true=True), NAMES, HALF, DeletionParams())
    for item in result.findings:
        assert (item.patients, item.note) == (8, "")
        for verdict in item.controls.values():
            assert verdict.drop > 2 * verdict.random_drop > 0
            assert verdict.beaten > 0.8
            assert verdict.p_value == pytest.approx(1 / 2**8)  # every flip was tried
            assert verdict.p_holm == pytest.approx(2 / 2**8)
    assert result.share_below(0.05, "scattered") == result.share_below(0.05, "block") == 1.0


@pytest.mark.parametrize("control", ["scattered", "block"])
def test_random_relevance_passes_no_more_often_than_it_may(control: str) -> None:
    params = DeletionParams(flips=1000)
    p_values = [
        item.controls[control].p_value  # type: ignore[index]
        for seed in range(100)
        for item in deletion_test(scans(seed, 9, true=False), NAMES, HALF, params).findings
    ]
    assert 0.01 < np.mean(np.array(p_values) < 0.1) < 0.18
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_relevance_turned_around_does_not_pass() -> None:
    turned = [
        (patient, dataclasses.replace(one, by_triplet=-one.by_triplet))
        for patient, one in scans(1, 8, true=True)
    ]
    result = deletion_test(turned, NAMES, HALF, DeletionParams())
    assert min(item.controls["scattered"].p_value for item in result.findings) > 0.9
    assert result.share_below(0.05, "scattered") == 0.0


def test_one_scan_is_too_few_and_none_is_said() -> None:
    says = weights(np.random.default_rng(2))
    says[1] = -1.0
    result = deletion_test([("p", additive(says, says))], NAMES, HALF, DeletionParams())
    one, none = result.findings
    assert one.note == "too few: called in 1 patients, 6 are needed"
    assert math.isnan(one.controls["block"].p_value)
    assert one.controls["block"].drop > 0
    assert (none.patients, none.controls) == (0, {})
    assert math.isnan(result.share_below(0.05, "scattered"))
    assert json.loads(json.dumps(result.as_json(), allow_nan=False))["share_below_0.05"]["block"] is None


def test_scans_of_one_patient_are_one_patient() -> None:
    many = [("same", one) for _, one in scans(3, 8, true=True)]
    assert deletion_test(many, NAMES, HALF, DeletionParams()).findings[0].patients == 1
    some = [(f"p{place // 2}", one) for place, (_, one) in enumerate(scans(3, 14, true=True))]
    verdict = deletion_test(some, NAMES, HALF, DeletionParams()).findings[0]
    assert (verdict.patients, verdict.note) == (7, "")
    assert verdict.controls["scattered"].p_value == pytest.approx(1 / 2**7)


def test_the_drop_is_that_of_the_best_tenth_and_of_the_best_block() -> None:
    says = np.full((1, 20), 0.1)
    says[0, [3, 9, 10]] = 2.0, 1.5, 1.0
    result = delete(additive(says, says), ["finding_0"], DeletionParams(), seed=[0])["finding_0"]

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    whole = says.sum() - 1
    assert result["scattered"].drop == pytest.approx(sigmoid(whole) - sigmoid(whole - 3.5))
    assert result["block"].drop == pytest.approx(sigmoid(whole) - sigmoid(whole - 2.5))


def test_padding_is_never_deleted() -> None:
    """All real triplets say the same, so any two of them do; padding would change nothing."""
    real = np.arange(24) % 24 < 17
    says = np.ones((1, 24)) * 0.2
    loud = np.where(real, 0.0, 9.0)[None]
    result = delete(additive(says, loud, real), ["finding_0"], DeletionParams(), seed=[0])["finding_0"]
    for deleted in result.values():
        assert deleted.drop == pytest.approx(deleted.random_drop)
        assert deleted.drop > 0
        assert deleted.beaten == 0.5


def test_the_same_seed_draws_the_same() -> None:
    params = DeletionParams(seed=4)
    first, second = (deletion_test(scans(5, 7, true=True), NAMES, HALF, params) for _ in range(2))
    assert first == second
    other = deletion_test(scans(5, 7, true=True), NAMES, HALF, DeletionParams(seed=5))
    assert first.findings[0].controls["block"].random_drop != other.findings[0].controls["block"].random_drop


def test_a_trained_network_through_features_and_through_slices() -> None:
    generator = np.random.default_rng(0)
    explained = [
        (f"p{patient}", trained().explain(scan(generator, slices=24, marked={0: 3 * (patient % 8)})))
        for patient in range(6)
    ]
    quick, whole = (
        deletion_test(explained, FINDINGS, trained().thresholds, DeletionParams(draws=8, level=level))
        for level in ("features", "slices")
    )
    for result in (quick, whole):
        found, absent = result.findings
        assert found.controls["scattered"].drop > 0.5
        assert found.controls["scattered"].p_value == pytest.approx(1 / 2**6)
        assert absent.patients == 0
    assert whole.level == "slices"
    assert whole.findings[0].controls["block"].drop == pytest.approx(
        quick.findings[0].controls["block"].drop, abs=0.1
    )


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 0.6}, {"draws": 0}, {"min_patients": 0}])
def test_impossible_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="share in"):
        DeletionParams(**wrong)  # type: ignore[arg-type]
