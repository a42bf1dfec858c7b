from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import quad

from components.drift.sequential import StreamParams, bet, conformal_p_values, follow_stream, payoffs
from components.errors import ParameterError
from tests.components.drift.population import scorecards


def brute_capital(p_values: np.ndarray, jump: float) -> np.ndarray:
    """Over all paths of the hidden bet, each with its probability (the Simple Jumper as a mixture)."""
    moves = np.full((4, 4), jump / 4) + np.eye(4) * (1 - jump)
    stakes, capital = np.full(4, 1 / 4), []
    for p in p_values:
        stakes = np.diag(payoffs(p)) @ moves.T @ stakes
        capital.append(stakes.sum())
    return np.array(capital)


def test_the_capital_is_that_of_the_mixture_of_paths() -> None:
    p_values = np.random.default_rng(0).random(40)
    np.testing.assert_allclose(bet(p_values, jump=0.1), brute_capital(p_values, 0.1))


def test_no_bet_can_be_expected_to_win() -> None:
    grid = (np.arange(200_000) + 0.5) / 200_000
    means = [np.mean([payoffs(p)[i] for p in grid[::200]]) for i in range(3)]
    np.testing.assert_allclose(means, 1.0, atol=1e-3)
    bold = quad(lambda p: payoffs(p)[3], 0, 1)[0]
    assert bold == pytest.approx(1.0, abs=1e-6)


def test_restarts_add_up_bets_begun_at_every_patient() -> None:
    p_values = np.random.default_rng(1).random(12)
    begun = [bet(p_values[i:], jump=0.05)[-1] for i in range(12)]
    assert bet(p_values, jump=0.05, restart=True)[-1] == pytest.approx(sum(begun))


def test_p_values_are_independent_and_uniform_without_a_drift() -> None:
    generator = np.random.default_rng(2)
    drawn = ([generator.integers(0, 5, size).astype(float) for size in (6, 8)] for _ in range(400))
    found = np.array([conformal_p_values(before, stream, generator) for before, stream in drawn])
    assert stats.kstest(found.ravel(), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(found.T) - np.eye(8)).max() < 0.2


def test_the_strangest_gets_the_smallest_p_value() -> None:
    found = conformal_p_values(np.arange(99.0), np.array([1000.0, -1.0]), np.random.default_rng(0))
    assert found[0] <= 0.01
    assert found[1] >= 0.99


def test_the_evidence_seldom_reaches_its_bound_by_chance() -> None:
    """Ville: at most alpha, over the whole stream; of 400 streams of 100 patients."""
    generator, alpha = np.random.default_rng(3), 0.1
    reached = [bet(generator.random(100), jump=0.01).max() >= 1 / alpha for _ in range(400)]
    assert np.mean(reached) <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / 400)


def test_false_alarms_of_restarted_bets_are_as_rare_as_promised() -> None:
    generator, alpha = np.random.default_rng(4), 0.02
    runs = []
    for _ in range(60):
        reached = np.flatnonzero(bet(generator.random(1500), jump=0.01, restart=True) >= 1 / alpha)
        runs.append(reached[0] + 1 if len(reached) else 1500)
    assert np.mean(runs) >= 1 / alpha


@pytest.mark.parametrize("guarantee", ["ever", "run length"])
def test_a_drift_is_found_soon_after_it_begins(guarantee: str) -> None:
    generator = np.random.default_rng(5)
    reference = scorecards(60, generator, frames=2)
    quiet, moved = (
        scorecards(30, generator, frames=2, name="a"),
        scorecards(30, generator, frames=2, name="b", embedding_shift=8),
    )
    params = StreamParams(alpha=0.01, guarantee=guarantee)  # type: ignore[arg-type]
    calm = follow_stream(reference, quiet, params)
    assert calm is not None
    assert not calm.alarmed
    found = follow_stream(reference, pd.concat([quiet, moved]), params)
    assert found is not None
    assert found.alarm_at is not None
    assert 30 <= found.alarm_at < 60
    assert found.patients[found.alarm_at].startswith("b")
    assert len(found.as_json()["views"]["embeddings"]) == 60


def test_too_small_a_reference_is_not_followed() -> None:
    generator = np.random.default_rng(6)
    assert (
        follow_stream(scorecards(10, generator), scorecards(5, generator, name="w"), StreamParams()) is None
    )


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ParameterError):
        StreamParams(alpha=0)
