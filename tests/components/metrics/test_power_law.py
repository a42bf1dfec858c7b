from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from components.errors import InputError
from components.metrics.power_law import LearningPoint, fit_power_law, standard_error

LABELS = (10, 20, 40, 80, 160, 320)


def law(labels: float, ceiling: float = 0.9, span: float = 0.8, rate: float = 0.5) -> float:
    return ceiling - span * labels**-rate


def points(
    *, error: float = 0.01, seed: int | None = None, of: tuple[int, ...] = LABELS
) -> list[LearningPoint]:
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal(len(of)) * error if seed is not None else np.zeros(len(of))
    return [
        LearningPoint(labels=n, quality=law(n) + off, standard_error=error)
        for n, off in zip(of, noise, strict=True)
    ]


def test_a_law_without_noise_is_found_again() -> None:
    fitted = fit_power_law(points(error=1e-3), seed=0, draws=50)
    assert fitted is not None
    foretold = fitted.forecast(50)
    assert foretold.labels == 370
    assert foretold.quality == pytest.approx(law(370), abs=1e-3)
    assert foretold.gain == pytest.approx(law(370) - law(320), abs=1e-3)


def test_the_fit_is_no_worse_than_a_general_optimiser_s() -> None:
    measured = points(error=0.02, seed=3)
    fitted = fit_power_law(measured, seed=0, draws=1)
    assert fitted is not None
    n, y = np.array(LABELS, dtype=float), np.array([point.quality for point in measured])
    best, _ = curve_fit(
        lambda n, a, b, c: a - b * n**-c, n, y, p0=(0.8, 0.5, 0.5), bounds=([0, 0, 0.05], [1, 50, 2]),
    )  # fmt: skip
    loss = ((best[0] - best[1] * n ** -best[2] - y) ** 2).sum()
    assert ((fitted.quality(n)[0] - y) ** 2).sum() <= loss * 1.01


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth, held = law(370), 0
    for seed in range(200):
        fitted = fit_power_law(points(seed=seed), seed=seed, draws=200)
        assert fitted is not None
        foretold = fitted.forecast(50)
        held += foretold.low <= truth <= foretold.high
    assert held >= 180


def test_better_points_weigh_more() -> None:
    odd = LearningPoint(labels=320, quality=0.2, standard_error=1.0)
    fitted = fit_power_law([*points(error=1e-3), odd], seed=0, draws=1)
    assert fitted is not None
    assert fitted.forecast(50).quality == pytest.approx(law(370), abs=2e-3)


def test_labels_that_did_not_help_are_not_said_to_hurt() -> None:
    falling = [
        LearningPoint(labels=n, quality=q, standard_error=0.01) for n, q in ((10, 0.9), (20, 0.8), (40, 0.7))
    ]
    fitted = fit_power_law(falling, seed=0)
    assert fitted is not None
    foretold = fitted.forecast(50)
    assert foretold.gain == pytest.approx(0.0)
    assert 0.0 <= foretold.gain_low <= foretold.gain_high <= 1.0


def test_no_quality_above_one_is_foretold() -> None:
    steep = [
        LearningPoint(labels=n, quality=q, standard_error=0.001)
        for n, q in ((10, 0.5), (20, 0.8), (40, 0.999))
    ]
    fitted = fit_power_law(steep, seed=0)
    assert fitted is not None
    assert fitted.forecast(10_000).high <= 1.0


def test_two_numbers_of_labels_are_too_few_however_many_points() -> None:
    assert fit_power_law(points(of=(10, 20, 20, 10)), seed=0) is None
    with pytest.raises(InputError, match="points with labels"):
        fit_power_law([*points(), LearningPoint(labels=0, quality=0.3, standard_error=0.1)], seed=0)


def test_the_same_seed_foretells_the_same() -> None:
    first, second, other = (fit_power_law(points(), seed=seed).forecast(50) for seed in (1, 1, 2))  # type: ignore[union-attr]
    assert first == second != other


def test_the_error_behind_an_interval() -> None:
    assert standard_error(0.5 - 1.959964 * 0.1, 0.5 + 1.959964 * 0.1, level=0.95) == pytest.approx(0.1)
    assert standard_error(0.7, 0.7, level=0.95) > 0
