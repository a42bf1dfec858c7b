from __future__ import annotations

import numpy as np
import pandas as pd

from components.acquisition.scorecards import Scorecards
from components.acquisition.temporal import temporal
from tests.components.acquisition.pools import choose, numbers, pool_of


def test_one_jump_counts_more_than_a_mean_and_a_plain_ct_comes_last() -> None:
    cards = pool_of(temporal_jump=[0.3, np.nan, 0.1])
    jump = cards.pool.iloc[2:].assign(frame_id="p02c-later", temporal_jump=0.4)
    assert numbers(choose(temporal, Scorecards(pool=pd.concat([cards.pool, jump])), 3)) == [2, 0, 1]
