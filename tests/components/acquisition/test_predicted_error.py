from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.acquisition.predicted_error import predicted_error
from tests.components.acquisition.pools import pool_of


def test_predicted_quality_is_taken_as_it_is() -> None:
    found = predicted_error(pool_of(predicted_quality=[0.9, 0.8, 0.6], uncertainty=[0.9, 0.1, 0.1]).pool)
    assert found.relative.tolist() == pytest.approx([0.1 / (0.7 / 3), 0.2 / (0.7 / 3), 0.4 / (0.7 / 3)])
    assert (found.by, found.missing) == ("predicted_quality", ())


def test_otherwise_ranks_are_averaged_each_in_its_own_direction() -> None:
    pool = pool_of(
        pairwise_dice_disagreement=[0.1, 0.2, 0.3],
        student_teacher_dice=[0.9, 0.1, 0.5],
        predicted_quality=[0.9, np.nan, 0.1],
        uncertainty=[0.9, 0.1, 0.1],
    ).pool
    found = predicted_error(pool)
    assert found.relative.tolist() == pytest.approx([0.0, 0.75 / 0.5, 0.75 / 0.5])
    assert found.by == "pairwise_dice_disagreement, student_teacher_dice"
    assert found.missing == ("predicted_quality", "temporal_jump", "boundary_entropy")


def test_entropy_counts_only_where_nothing_better_is_there() -> None:
    found = predicted_error(pool_of(uncertainty=[0.1, 0.7, 0.2], predictive_entropy=[0.1, 0.3, 0.2]).pool)
    assert found.relative.tolist() == pytest.approx([0.0, 2.0, 1.0])
    assert found.by == "uncertainty, predictive_entropy"


def test_a_case_without_the_signal_is_in_the_middle_and_nothing_at_all_is_even() -> None:
    found = predicted_error(pool_of(temporal_jump=[0.1, np.nan, 0.3]).pool)
    assert found.relative.tolist() == pytest.approx([0.0, 1.0, 2.0])
    bare = pool_of(uncertainty=[0.1, 0.2]).pool.drop(columns="uncertainty")
    assert predicted_error(bare).relative.tolist() == [1.0, 1.0]


def test_the_worst_frame_tells_of_a_jump_and_more_frames_change_nothing() -> None:
    pool = pool_of(temporal_jump=[0.3, 0.2]).pool
    frames = pd.concat([pool, pool.iloc[1:].assign(temporal_jump=0.4, frame_id="later")])
    assert predicted_error(frames).relative.tolist() == pytest.approx([0.0, 2.0])
    twice = pd.concat([frames, frames])
    assert predicted_error(twice).relative.tolist() == pytest.approx([0.0, 2.0])
