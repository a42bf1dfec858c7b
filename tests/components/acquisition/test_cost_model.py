from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.acquisition.cost_model import CostParams, case_minutes, features, fit_minutes, robust_line
from components.errors import ParameterError
from tests.components.acquisition.pools import rng
from tests.components.drift.population import scorecards

PARAMS = CostParams()


def answered(n: int, *, spread: float = 0.0, wild: int = 0) -> pd.DataFrame:
    """Frames that take 5 minutes, and one more per 100 ** (2/3) of foreground; ``wild`` of them a working day."""
    foreground = rng().uniform(100, 900, n)
    minutes = 5 + (foreground / 100) ** (2 / 3) + spread * rng(1).normal(size=n)
    minutes[:wild] = 480.0
    return pd.DataFrame({"minutes": minutes, "foreground_ml": foreground})


def test_few_answers_leave_the_stated_minutes() -> None:
    model = fit_minutes(answered(4), stated=30.0, params=PARAMS)
    assert model.minutes(answered(3)).tolist() == [30.0] * 3
    assert model.interval(answered(3)) is None
    assert model.words() == "30 minutes a frame as stated, no answers to learn from"
    assert fit_minutes(pd.DataFrame({"minutes": []}), stated=30.0, params=PARAMS).n == 0


def test_some_answers_give_their_median() -> None:
    told = pd.DataFrame({"minutes": [10.0, 12.0, 11.0, 300.0, 9.0, np.nan, 0.0], "foreground_ml": 1.0})
    model = fit_minutes(told, stated=30.0, params=PARAMS)
    assert (model.n, model.base) == (5, 11.0)
    assert "from 5 answers" in model.words()


def test_many_answers_give_the_line_whatever_a_few_readers_forgot_to_stop() -> None:
    told = answered(60, wild=6)
    model = fit_minutes(told, stated=30.0, params=PARAMS)
    np.testing.assert_allclose(model.minutes(told)[6:], told["minutes"][6:], rtol=1e-2)


def test_without_outliers_the_robust_line_is_least_squares() -> None:
    """With errors of one size nobody loses weight."""
    design = np.column_stack([np.ones(8), np.repeat([1.0, 2.0, 3.0, 4.0], 2)])
    minutes = design @ [3.0, 2.0] + np.tile([0.5, -0.5], 4)
    expected = np.linalg.lstsq(design, minutes, rcond=None)[0]
    np.testing.assert_allclose(robust_line(design, minutes), expected, rtol=1e-6)


def test_more_to_draw_never_costs_less() -> None:
    told = answered(40).assign(minutes=lambda table: 60 - 0.05 * table["foreground_ml"])
    model = fit_minutes(told, stated=30.0, params=PARAMS)
    assert model.per_unit["foreground_root"] == 0.0


def test_the_interval_holds_as_often_as_it_says() -> None:
    held = []
    for seed in range(40):
        generator = rng(seed)
        foreground = generator.uniform(100, 900, 60)
        minutes = 5 + (foreground / 100) ** (2 / 3) + generator.gamma(2.0, 1.0, 60)
        told = pd.DataFrame({"minutes": minutes, "foreground_ml": foreground})
        bounds = fit_minutes(told.head(30), stated=30.0, params=PARAMS).interval(told.tail(30))
        assert bounds is not None
        held.append(
            ((told["minutes"].tail(30) >= bounds[0]) & (told["minutes"].tail(30) <= bounds[1])).mean()
        )
    assert np.mean(held) == pytest.approx(0.8, abs=0.05)


def test_features_are_counted_from_what_the_model_shows() -> None:
    table = pd.DataFrame({"output_a_ml": [8.0, 0.0], "output_b_ml": [19.0, 0.0], "output_nodule": [0.9, 0.9]})
    assert features(table)["structures"].tolist() == [2.0, 0.0]
    assert features(table)["foreground_root"].tolist() == pytest.approx([9.0, 0.0])


def test_a_case_costs_the_frames_that_are_asked_for() -> None:
    pool = scorecards(2, rng(), frames=4)
    model = fit_minutes(pd.DataFrame({"minutes": []}), stated=30.0, params=PARAMS)
    assert case_minutes(pool, model, 2) == {"p000c": 60.0, "p001c": 60.0}
    assert case_minutes(pool, model, 2, one_answer=True) == {"p000c": 30.0, "p001c": 30.0}


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ParameterError):
        CostParams(min_answers=30)
