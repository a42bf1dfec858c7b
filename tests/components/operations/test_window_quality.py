from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.operations.window_quality import window_quality
from components.scorecard.window_quality import ErrorOfMeans

ERRORS = ErrorOfMeans(between=0.03, within=0.1, windows=20, patients=200)


def cards(measured: list[float] | None = None) -> pd.DataFrame:
    table = pd.DataFrame(
        {"patient_id": list("abcd"), "case_id": list("abcd"), "predicted_quality": [0.8, 0.7, 0.9, 0.6]}
    )
    return table if measured is None else table.assign(measured_quality=measured)


def test_without_labels_the_estimate_is_all_there_is() -> None:
    found = window_quality("segmentation", cards(), ERRORS)
    assert found.measured is None
    assert found.estimated == found.current == ERRORS.interval([0.8, 0.7, 0.9, 0.6])
    assert found.of_shifted


def test_returned_labels_replace_estimates_and_narrow_the_interval() -> None:
    found = window_quality("segmentation", cards([0.5, 0.4, np.nan, np.nan]), ERRORS)
    assert found.estimated == ERRORS.interval([0.8, 0.7, 0.9, 0.6])
    assert found.measured is not None
    assert found.current is not None
    assert found.estimated is not None
    assert (found.measured.value, found.measured.patients) == (pytest.approx(0.45), 2)
    assert found.current.value == pytest.approx((0.5 + 0.4 + 0.9 + 0.6) / 4)
    assert found.current.high - found.current.low < found.estimated.high - found.estimated.low
    whole = window_quality("segmentation", cards([0.5, 0.4, 0.6, 0.7]), ERRORS).current
    assert whole is not None
    assert whole.low == whole.value == whole.high == pytest.approx(0.55)


def test_a_package_that_foretells_nothing_leaves_the_labels() -> None:
    assert window_quality("segmentation", cards(), None).current is None
    found = window_quality("segmentation", cards([0.5, 0.4, np.nan, np.nan]), None)
    assert found.estimated is None
    assert found.current is not None
    assert found.current.patients == 2


def test_findings_have_an_estimated_auroc() -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame(
        {"patient_id": range(60), "case_id": range(60), "output_nodule": generator.beta(0.3, 0.5, 60)}
    )
    found = window_quality("classification", table, None).auroc["nodule"]
    assert 0.6 < found.low < found.value < found.high <= 1.0
    assert window_quality("segmentation", table, None).auroc == {}
