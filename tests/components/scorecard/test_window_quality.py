from __future__ import annotations

import json

import numpy as np
import pytest

from components.scorecard.predicted_quality import fit_quality
from components.scorecard.window_quality import ErrorOfMeans, fit_error_of_means

Batch = tuple[list[list[dict[str, float]]], list[float], list[str], list[str]]


def judged(generator: np.random.Generator, windows: int, patients: int, bias: float) -> Batch:
    """The signal foretells the quality, but for an error of the window (deviation ``bias``) and of the patient."""
    cases, quality, owners, names = [], [], [], []
    for window in range(windows):
        off = generator.normal(0, bias)
        for patient in range(patients):
            signal = generator.normal(1.0, 0.5)
            share = 1 / (1 + np.exp(-(signal + off + generator.normal(0, 0.15))))
            cases.append([{"expected_dice": float(1 / (1 + np.exp(-signal)))}])
            quality.append(float(share))
            owners.append(f"{window}-{patient}")
            names.append(f"w{window}")
    return cases, quality, owners, names


@pytest.mark.parametrize("bias", [0.0, 0.4])
def test_the_interval_holds_the_mean_quality_of_new_windows(bias: float) -> None:
    generator = np.random.default_rng(0)
    taught = judged(generator, 25, 10, bias)
    errors = fit_error_of_means(*taught)
    fit = fit_quality(*taught[:3])
    assert errors is not None
    assert fit is not None
    assert errors.between is not None
    assert (errors.between > 0.04) == (bias > 0)
    held = []
    for _ in range(80):
        cases, quality, _, _ = judged(generator, 1, 20, bias)
        found = errors.interval([fit.estimate(case).value for case in cases])  # type: ignore[union-attr]
        held.append(found.low <= np.mean(quality) <= found.high)
    assert np.mean(held) >= 0.8


def test_one_batch_says_nothing_of_other_windows() -> None:
    errors = fit_error_of_means(*judged(np.random.default_rng(1), 1, 40, 0.0))
    assert errors is not None
    assert errors.between is None
    assert errors.patients == 40
    narrow, wide = errors.interval([0.7] * 50), errors.interval([0.7] * 5)
    assert narrow.high - narrow.low < wide.high - wide.low


def test_it_survives_json_and_an_empty_window() -> None:
    errors = ErrorOfMeans(between=0.02, within=0.1, windows=5, patients=50)
    assert ErrorOfMeans.of_json(json.loads(json.dumps(errors.as_json()))) == errors
    assert np.isnan(errors.interval([float("nan")]).value)


def test_too_few_patients_teach_nothing() -> None:
    assert fit_error_of_means(*judged(np.random.default_rng(2), 3, 2, 0.0)) is None
