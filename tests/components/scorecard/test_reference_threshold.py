from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.scorecard.reference_threshold import reference_threshold


def reference(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": [f"p{i}" for i in range(len(values))], "uncertainty": values})


def test_it_is_the_conformal_order_statistic() -> None:
    found = reference_threshold(reference([float(i) for i in range(1, 40)]), "uncertainty", 0.95)
    assert found is not None
    assert (found.rank, found.value, found.n, found.level) == (38, 38.0, 39, pytest.approx(0.95))


def test_few_patients_give_their_largest_value_and_its_true_level() -> None:
    found = reference_threshold(reference([0.3, 0.1]), "uncertainty", 0.95)
    assert found is not None
    assert (found.value, found.rank, found.level) == (0.3, 2, pytest.approx(2 / 3))


def test_new_patients_exceed_it_as_rarely_as_stated() -> None:
    generator = np.random.default_rng(0)
    exceeded = []
    for _ in range(2000):
        values = generator.normal(size=21)
        found = reference_threshold(reference(values[:20].tolist()), "uncertainty", 0.9)
        assert found is not None
        exceeded.append(values[20] > found.value)
    assert np.mean(exceeded) == pytest.approx(1 - 19 / 21, abs=0.02)


def test_a_patient_counts_once_by_its_worst_frame() -> None:
    table = pd.DataFrame({"patient_id": ["a", "a", "b"], "uncertainty": [0.1, 0.9, 0.5]})
    found = reference_threshold(table, "uncertainty", 0.3)
    assert found is not None
    assert (found.value, found.n) == (0.5, 2)


def test_nothing_known_gives_no_threshold() -> None:
    assert reference_threshold(reference([np.nan]), "uncertainty", 0.9) is None
    assert reference_threshold(reference([0.5]), "temporal_jump", 0.9) is None
