from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.metrics import bootstrap
from components.metrics.bootstrap import (
    Group,
    bootstrap_interval,
    paired_difference,
    patient_weights,
    unpaired_difference,
)
from components.metrics.paired import mean_lower_bound
from components.metrics.weighting import Array, weighted_mean


def test_patients_are_drawn_whole() -> None:
    patients = ["a", "b", "a", "c"]
    weight = patient_weights(patients, seed=0, draws=500)
    assert (weight[:, 0] == weight[:, 2]).all()
    assert (weight[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weight[:, 1].mean() == pytest.approx(1.0, abs=0.1)


def test_interval_of_a_mean_matches_the_normal_one_for_many_patients() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.05, size=400)
    patients = [str(i) for i in range(400)]
    found = bootstrap_interval(patients, lambda w: weighted_mean(values, w), seed=1, draws=4000)
    half = 1.96 * values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.001)
    assert found == bootstrap_interval(patients, lambda w: weighted_mean(values, w), seed=1, draws=4000)


def test_more_frames_of_the_same_patients_are_no_more_evidence() -> None:
    values = np.random.default_rng(0).normal(size=12)
    patients = [str(i) for i in range(12)]
    once = bootstrap_interval(patients, lambda w: weighted_mean(values, w), seed=0)
    tenfold = np.tile(values, 10)
    often = bootstrap_interval(patients * 10, lambda w: weighted_mean(tenfold, w), seed=0)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    generator = np.random.default_rng(0)
    base = generator.normal(size=30)
    other = base + 0.1 + generator.normal(0, 0.01, size=30)
    patients = [str(i) for i in range(30)]
    found = bootstrap_interval(
        patients,
        paired_difference(lambda w: weighted_mean(other, w), lambda w: weighted_mean(base, w)),
        seed=0,
    )
    assert found.value == pytest.approx((other - base).mean())
    assert found.high - found.low < 0.02


def test_one_patient_or_an_undefined_statistic_has_no_interval() -> None:
    alone = bootstrap_interval(["a", "a"], lambda w: weighted_mean(np.array([1.0, 2.0]), w), seed=0)
    assert alone.value == 1.5
    assert np.isnan(alone.low)
    undefined = bootstrap_interval(["a", "b"], lambda w: np.full(w.shape[:-1], np.nan), seed=0)
    assert np.isnan(undefined.low)


def test_lower_bound_is_never_above_students() -> None:
    values = np.random.default_rng(0).normal(0.1, 0.05, size=10)
    student = values.mean() - stats.t.ppf(0.95, 9) * values.std(ddof=1) / np.sqrt(10)
    found = mean_lower_bound(values, alpha=0.05, seed=0)
    assert found <= student + 1e-12
    assert found == mean_lower_bound(values, alpha=0.05, seed=0)
    assert mean_lower_bound(values, alpha=0.01, seed=0) < found


def test_lower_bound_of_values_without_spread() -> None:
    assert mean_lower_bound(np.zeros(9), alpha=0.05, seed=0) == 0.0
    assert mean_lower_bound(np.full(9, 0.3), alpha=0.05, seed=0) == pytest.approx(0.3)
    assert mean_lower_bound(np.array([1.0]), alpha=0.05, seed=0) == -np.inf


def mean_of(values: Array, prefix: str = "p") -> Group:
    return Group(
        patients=[f"{prefix}{i}" for i in range(values.size)], statistic=lambda w: weighted_mean(values, w)
    )


def test_unpaired_difference_covers_the_normal_interval() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(0.9, 0.05, 200), generator.normal(0.8, 0.1, 100)
    found = unpaired_difference(mean_of(first), mean_of(second), seed=1, draws=8000)
    error = np.sqrt(first.var() / 200 + second.var() / 100)
    difference = first.mean() - second.mean()
    assert found.value == pytest.approx(difference)
    assert found.patients == 300
    assert found.low == pytest.approx(difference - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(difference + 1.96 * error, abs=0.1 * error)


def test_groups_are_drawn_apart_even_with_equal_names() -> None:
    """Drawn together, the difference of a group and itself would have no spread."""
    group = mean_of(np.random.default_rng(0).normal(size=20))
    found = unpaired_difference(group, group, seed=1)
    assert found.value == 0.0
    assert found.low < -0.1 < 0.1 < found.high


def test_unpaired_difference_of_single_patients_has_no_interval() -> None:
    found = unpaired_difference(mean_of(np.array([0.9])), mean_of(np.array([0.5, 0.7])), seed=1)
    assert found.value == pytest.approx(0.3)
    assert np.isnan(found.low)
    assert np.isnan(unpaired_difference(mean_of(np.empty(0)), mean_of(np.array([0.5])), seed=1).value)


def test_draws_in_parts_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    group = mean_of(np.random.default_rng(0).normal(size=30))
    whole = bootstrap_interval(group.patients, group.statistic, seed=3, draws=100)
    for at_a_time in (7 * 30, 1):
        monkeypatch.setattr(bootstrap, "_WEIGHTS_AT_A_TIME", at_a_time)
        found = bootstrap_interval(group.patients, group.statistic, seed=3, draws=100)
        assert (found.value, found.low, found.high) == pytest.approx((whole.value, whole.low, whole.high))


def test_a_centred_interval_holds_a_value_that_resampling_inflates() -> None:
    """|mean| of noise around 0: every draw adds noise of its own."""
    values = np.random.default_rng(0).normal(size=(40, 25))
    patients = [str(i) for i in range(40)]

    def size(weight: Array) -> Array:
        return np.abs(weight @ values / 40).mean(axis=-1)

    plain = bootstrap_interval(patients, size, seed=0)
    centred = bootstrap_interval(patients, size, seed=0, centred=True)
    assert plain.value < plain.low
    assert centred.low < centred.value < centred.high
    assert centred.high - centred.low == pytest.approx(plain.high - plain.low)


def test_draws_are_shared_and_cannot_be_changed() -> None:
    first = patient_weights(["a", "b", "a"], seed=3, draws=10)
    again = patient_weights(np.array(["a", "b", "a"]), seed=3, draws=10)  # type: ignore[arg-type]
    assert (first == again).all()
    assert not (first == patient_weights(["a", "b", "a"], seed=4, draws=10)).all()
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 5.0
