from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.scorecard.ejection_fraction import with_ejection_fraction


def test_a_cine_has_the_share_that_leaves_its_chambers() -> None:
    table = pd.DataFrame(
        {
            "case_id": ["a", "a", "a", "b"],
            "frame_id": ["a0", "a1", "a2", "b0"],
            "output_left_ventricle_ml": [120.0, 48.0, 80.0, 100.0],
        }
    )
    found = with_ejection_fraction(table)["ejection_fraction_left_ventricle"]
    assert found[:3].tolist() == pytest.approx([0.6] * 3)
    assert np.isnan(found[3])


def test_plain_ct_has_none() -> None:
    table = pd.DataFrame({"case_id": ["a"], "frame_id": ["a"], "output_left_ventricle_ml": [100.0]})
    assert with_ejection_fraction(table) is table
