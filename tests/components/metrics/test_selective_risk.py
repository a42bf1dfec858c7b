import numpy as np
import pytest

from components.metrics.selective_risk import aurc, risk_coverage


def brute_force(risk: np.ndarray, confidence: np.ndarray) -> float:
    """Keep the k most confident cases, for every k; the mean of their mean risks."""
    kept = sorted(range(len(risk)), key=lambda i: -confidence[i])
    return float(np.mean([np.mean([risk[i] for i in kept[: k + 1]]) for k in range(len(kept))]))


@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_it_is_the_mean_selective_risk(n: int) -> None:
    generator = np.random.default_rng(n)
    risk, confidence = generator.uniform(size=n), generator.normal(size=n)
    assert float(aurc(risk, confidence)) == pytest.approx(brute_force(risk, confidence))


def test_a_weight_of_nothing_leaves_a_case_out() -> None:
    generator = np.random.default_rng(0)
    risk, confidence = generator.uniform(size=20), generator.normal(size=20)
    keep = generator.random(20) < 0.5
    weighted = aurc(risk, confidence, np.stack([keep.astype(float), np.ones(20)]))
    expected = [brute_force(risk[keep], confidence[keep]), brute_force(risk, confidence)]
    np.testing.assert_allclose(weighted, expected)


def test_equal_confidences_are_one_level() -> None:
    risk = np.array([0.0, 1.0, 0.5, 0.1])
    coverage, selective = risk_coverage(risk, np.array([1.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose(coverage, [0.5, 1.0])
    np.testing.assert_allclose(selective, [0.5, 0.4])
    assert float(aurc(risk, np.zeros(4))) == pytest.approx(risk.mean())


def test_a_perfect_score_is_best_and_its_opposite_worst() -> None:
    generator = np.random.default_rng(1)
    risk = generator.uniform(size=30)
    others = [float(aurc(risk, generator.normal(size=30))) for _ in range(50)]
    assert float(aurc(risk, -risk)) < min(others)
    assert float(aurc(risk, risk)) > max(others)
