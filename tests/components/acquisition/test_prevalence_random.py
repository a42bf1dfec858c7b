from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from components.acquisition.prevalence_random import prevalence_random, rarest_findings
from components.errors import InputError
from tests.components.acquisition.pools import choose, numbers, pool_of

COMMON = [0.9] * 9 + [0.1] * 5
RARE = [0.0] * 8 + [0.7] + [0.0] * 4 + [0.8]


def test_the_stratum_is_the_rarest_finding_that_a_patient_has() -> None:
    strata = rarest_findings(pool_of(output_common=COMMON, output_rare=RARE).pool)
    assert strata.tolist() == ["common"] * 8 + ["rare"] + ["no finding"] * 4 + ["rare"]


def test_strata_are_drawn_by_the_root_of_their_size_and_patients_evenly_within() -> None:
    cards = pool_of(output_common=COMMON, output_rare=RARE)
    draws = 500
    found = Counter(numbers(choose(prevalence_random, cards, 1, seed=seed))[0] for seed in range(draws))
    sizes = {"common": 8, "rare": 2, "no finding": 4}
    total = sum(np.sqrt(size) for size in sizes.values())
    strata = rarest_findings(cards.pool)
    expected = [draws * np.sqrt(sizes[name]) / total / sizes[name] for name in strata]
    assert chisquare([found[i] for i in range(14)], expected).pvalue > 0.01


def test_structures_are_no_findings() -> None:
    with pytest.raises(InputError, match="foreground_random for segmentation"):
        choose(prevalence_random, pool_of(output_aorta_ml=[10.0, 20.0]), 1)
