from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.drift.novelty import case_novelty
from tests.components.drift.population import scorecards


def test_a_far_case_ranks_first_and_a_usual_one_is_near_one() -> None:
    generator = np.random.default_rng(0)
    reference = scorecards(20, generator, frames=2)
    window = pd.concat(
        [
            scorecards(9, generator, frames=2, name="w"),
            scorecards(1, generator, name="odd", embedding_shift=40),
        ]
    )
    novelty = case_novelty(reference, window)
    assert novelty.idxmax() == "odd000c"
    assert novelty.drop("odd000c").median() == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("n_reference", [1, 2, 3])
def test_few_reference_patients_still_rank(n_reference: int) -> None:
    generator = np.random.default_rng(1)
    reference = scorecards(n_reference, generator)
    window = pd.concat(
        [scorecards(4, generator, name="w"), scorecards(1, generator, name="odd", embedding_shift=60)]
    )
    novelty = case_novelty(reference, window)
    assert novelty.notna().all()
    assert novelty.idxmax() == "odd000c"


def test_a_reference_patient_is_no_neighbour_of_itself() -> None:
    reference = scorecards(12, np.random.default_rng(2))
    assert case_novelty(reference, reference, neighbours=1).min() > 0.1
    assert case_novelty(reference, reference).median() == pytest.approx(1.0)


def test_brute_force_with_unit_scale() -> None:
    """Four reference points on a line; the neighbours' mean distance over the median of their own."""
    x = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0}
    table = pd.DataFrame({"patient_id": [*x], "case_id": [*x], "embedding_000": [*x.values()]})
    new = pd.DataFrame({"patient_id": ["n"], "case_id": ["n"], "embedding_000": [7.0]})
    own = np.median([1.5, 1.0, 1.0, 1.5])
    assert case_novelty(table, new, neighbours=2)["n"] == pytest.approx(4.5 / own)


def test_without_reference_novelty_is_unknown() -> None:
    window = scorecards(3, np.random.default_rng(0))
    assert case_novelty(window.iloc[:0], window).isna().all()
