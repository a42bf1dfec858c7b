from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve

from components.operations.evaluation import IntervalParams
from components.operations.finding_scores import FindingScores
from components.operations.reliability_curve import curve_of, pooled_curve

PARAMS = IntervalParams(seed=0, draws=1000, level=0.95)


def scores(n: int = 300, *, copies: int = 1) -> FindingScores:
    generator = np.random.default_rng(0)
    said = generator.random((n, 2))
    truth = (generator.random((n, 2)) < said**2).astype(np.float64)
    truth[:20, 1] = np.nan
    return FindingScores(
        patients=[f"p{i}" for i in range(n)] * copies,
        findings=("a", "b"),
        truth_nk=np.tile(truth, (copies, 1)),
        probability_nk=np.tile(said, (copies, 1)),
        thresholds={},
    )


def test_the_curve_of_a_finding_is_scikit_learns_with_wilsons_intervals() -> None:
    data = scores()
    curve = curve_of(data, "b", level=0.95)
    share, said = calibration_curve(data.truth_nk[20:, 1], data.probability_nk[20:, 1], n_bins=10)
    assert curve.share == pytest.approx(share)
    assert curve.said == pytest.approx(said)
    assert curve.patients.sum() == 280
    hits, count = round(share[7] * curve.patients[7]), round(curve.patients[7])
    expected = stats.binomtest(hits, count).proportion_ci(confidence_level=0.95, method="wilson")
    assert (curve.low[7], curve.high[7]) == pytest.approx((expected.low, expected.high))


def test_reconstructions_make_no_interval_narrower() -> None:
    once, often = curve_of(scores(), "a", level=0.95), curve_of(scores(copies=5), "a", level=0.95)
    assert often.high == pytest.approx(once.high)
    assert pooled_curve(scores(copies=5), PARAMS).low == pytest.approx(pooled_curve(scores(), PARAMS).low)


def test_all_findings_together_are_those_of_one_long_list() -> None:
    data = scores()
    known = ~np.isnan(data.truth_nk)
    share, said = calibration_curve(data.truth_nk[known], data.probability_nk[known], n_bins=10)
    curve = pooled_curve(data, PARAMS)
    assert curve.share == pytest.approx(share)
    assert curve.said == pytest.approx(said)
    assert (curve.low <= curve.share).all()
    assert (curve.share <= curve.high).all()


def test_an_empty_bin_is_unknown() -> None:
    few = FindingScores(
        patients=["p", "q"], findings=("a",), truth_nk=np.array([[0.0], [1.0]]),
        probability_nk=np.array([[0.05], [0.95]]), thresholds={},
    )  # fmt: skip
    for curve in (curve_of(few, "a", level=0.95), pooled_curve(few, PARAMS)):
        assert np.isnan(curve.share[1:9]).all()
        assert curve.share[[0, 9]].tolist() == [0.0, 1.0]
        assert curve.patients[[0, 5, 9]].tolist() == [1.0, 0.0, 1.0]
