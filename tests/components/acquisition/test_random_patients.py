from __future__ import annotations

from collections import Counter

import pandas as pd
from scipy.stats import chisquare

from components.acquisition.random_patients import random_patients
from components.acquisition.scorecards import Scorecards
from tests.components.acquisition.pools import choose, pool_of


def test_every_patient_is_as_likely_as_any_other_whatever_its_number_of_cases() -> None:
    one = pool_of(uncertainty=[0.1, 0.9, 0.5]).pool
    more = pd.concat([one, *[one.iloc[:1].assign(case_id=f"p00c{i}", frame_id=f"p00c{i}") for i in range(9)]])
    cards = Scorecards(pool=more)
    drawn = Counter(choose(random_patients, cards, 1, seed=seed)[0].patient_id for seed in range(600))
    assert chisquare([drawn[f"p{i:02d}"] for i in range(3)]).pvalue > 0.01
    cases = Counter(
        chosen.case_id
        for seed in range(600)
        for chosen in choose(random_patients, cards, 3, seed=seed)
        if chosen.patient_id == "p00"
    )
    assert len(cases) == 10
    assert chisquare(list(cases.values())).pvalue > 0.01
