from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.drift.self_test import replay_reference
from components.drift.verdict import DriftParams, DriftVerdict, assess_drift
from components.errors import ParameterError
from tests.components.drift.population import scorecards

PARAMS = DriftParams(permutations=999)


def assess(
    seed: int, n_reference: int = 16, n_window: int = 16, frames: int = 1, **shift: float
) -> DriftVerdict:
    generator = np.random.default_rng(seed)
    reference = scorecards(n_reference, generator, frames=frames)
    window = scorecards(n_window, generator, frames=frames, name="w", batch="two", **shift)
    return assess_drift(reference, window, PARAMS)


@pytest.mark.parametrize(
    ("shift", "channel"),
    [
        ({"embedding_shift": 6.0}, "embeddings"),
        ({"image_shift": 3.0}, "image"),
        ({"output_shift": 2.5}, "outputs"),
        ({"uncertainty_shift": 3.0}, "uncertainty"),
        ({"new_site": 1.0}, "metadata"),
    ],
)
def test_each_channel_sees_its_own_shift(shift: dict[str, float], channel: str) -> None:
    verdict = assess(1, **shift)
    assert verdict.kind == "drift"
    assert {one.name for one in verdict.channels if one.alarmed} - {"joint"} == {channel}
    assert channel in verdict.reason


def test_a_change_against_the_usual_correlation_is_seen_in_no_column() -> None:
    generator = np.random.default_rng(0)
    reference, window = scorecards(80, generator), scorecards(80, generator, name="w")
    for table, sign in ((reference, 1.0), (window, -1.0)):
        table["image_1"] = sign * table["image_0"] + generator.normal(0, 0.2, len(table))
    found = next(one for one in assess_drift(reference, window, PARAMS).channels if one.name == "image")
    assert found.alarmed
    assert set(found.moved) <= {"all together, whitened", "all together, whitened, near"}


def test_a_view_with_missing_values_is_still_compared() -> None:
    generator = np.random.default_rng(2)
    reference, window = scorecards(16, generator), scorecards(16, generator, name="w", image_shift=3.0)
    window.loc[::3, "image_7"] = np.nan
    found = next(one for one in assess_drift(reference, window, PARAMS).channels if one.name == "image")
    assert found.alarmed
    assert set(found.moved[:2]) == {"image_0", "image_1"}


def test_no_shift_no_drift_and_every_channel_is_stated() -> None:
    verdict = assess(2, frames=3)
    assert verdict.kind == "no drift"
    assert [channel.name for channel in verdict.channels] == [
        "metadata",
        "image",
        "embeddings",
        "outputs",
        "uncertainty",
        "joint",
    ]
    assert all(channel.statistic <= channel.threshold for channel in verdict.channels)


@pytest.mark.parametrize(("n_reference", "n_window"), [(7, 30), (30, 7), (0, 9), (9, 0), (1, 1)])
def test_few_patients_are_not_enough_evidence_whatever_they_show(n_reference: int, n_window: int) -> None:
    generator = np.random.default_rng(0)
    template = scorecards(1, generator)
    reference = pd.concat([template.iloc[:0], scorecards(n_reference, generator)])
    window = pd.concat([template.iloc[:0], scorecards(n_window, generator, name="w", embedding_shift=50)])
    verdict = assess_drift(reference, window, PARAMS)
    assert verdict.kind == "not enough evidence"
    assert not verdict.alarmed
    assert (verdict.n_reference, verdict.n_window) == (n_reference, n_window)


def test_many_frames_are_not_many_patients() -> None:
    generator = np.random.default_rng(0)
    few = (
        scorecards(4, generator, frames=10),
        scorecards(4, generator, frames=10, name="w", embedding_shift=9),
    )
    assert assess_drift(*few, PARAMS).kind == "not enough evidence"
    unreachable = DriftParams(min_patients=4)
    assert "cannot reach" in assess_drift(*few, unreachable).reason


def test_patients_of_the_reference_do_not_count_as_window() -> None:
    reference = scorecards(16, np.random.default_rng(0))
    assert assess_drift(reference, reference, PARAMS).n_window == 0


def test_the_verdict_ignores_the_order_of_rows_and_the_names_of_patients() -> None:
    generator = np.random.default_rng(5)
    reference = scorecards(12, generator, name="z")
    window = scorecards(12, generator, name="a", new_site=1.0)
    shuffled = window.sample(frac=1, random_state=0)
    first, second = (assess_drift(reference, one, PARAMS) for one in (window, shuffled))
    assert first == second
    assert first.strata[0].share_window == 1.0


def with_labels(
    cards: pd.DataFrame, generator: np.random.Generator, share: float, lost: float
) -> pd.DataFrame:
    measured = {
        patient: generator.normal(0.85 - lost, 0.04) if generator.random() < share else np.nan
        for patient in cards["patient_id"].unique()
    }
    return cards.assign(measured_quality=cards["patient_id"].map(measured))


@pytest.mark.parametrize(("lost", "alarmed"), [(0.15, True), (0.0, False)])
def test_returned_labels_show_a_model_that_got_worse(lost: float, alarmed: bool) -> None:
    generator = np.random.default_rng(6)
    reference = with_labels(scorecards(20, generator), generator, 1.0, 0.0)
    window = with_labels(scorecards(24, generator, name="w"), generator, 0.6, lost)
    verdict = assess_drift(reference, window, PARAMS)
    found = next(channel for channel in verdict.channels if channel.name == "feedback")
    assert found.alarmed == alarmed
    assert [channel.name for channel in verdict.channels if channel.alarmed] == ["feedback"] * alarmed


def test_few_returned_labels_are_no_channel() -> None:
    generator = np.random.default_rng(7)
    reference = with_labels(scorecards(20, generator), generator, 1.0, 0.0)
    window = with_labels(scorecards(20, generator, name="w"), generator, 0.2, 0.5)
    verdict = assess_drift(reference, window, PARAMS)
    assert "feedback" not in {channel.name for channel in verdict.channels}


def test_an_effect_has_an_interval_and_an_alarm_its_columns() -> None:
    moved = next(c for c in assess(1, image_shift=3.0).channels if c.name == "image")
    assert 0 < moved.effect_low < moved.effect < moved.effect_high
    assert moved.moved[0] == moved.column
    assert {name for name in moved.moved if name.startswith("image_")} == {"image_0", "image_1"}
    assert set(moved.moved[2:]) <= {"all together, whitened", "all together, whitened, near"}
    still = next(c for c in assess(2).channels if c.name == "image")
    assert still.effect_low == 0
    assert still.moved == ()


def test_a_weaker_beat_is_a_drift_of_outputs() -> None:
    """Volumes alike at rest, the same mean over the beat: only the ejection fraction tells."""
    generator = np.random.default_rng(8)
    tables = [scorecards(16, generator, frames=2), scorecards(16, generator, frames=2, name="w")]
    for table, swing in zip(tables, (30.0, 12.0), strict=True):
        beat = np.where(table["phase_percent"] == 0, swing, -swing)
        table["output_left_ventricle_ml"] += beat + generator.normal(0, 2, len(table))
    found = next(c for c in assess_drift(*tables, PARAMS).channels if c.name == "outputs")
    assert found.alarmed
    assert found.column == "ejection_fraction_left_ventricle"


def test_hidden_metadata_leaves_the_other_channels() -> None:
    generator = np.random.default_rng(3)
    tables = [scorecards(12, generator), scorecards(12, generator, name="w")]
    hidden = [table.drop(columns=[c for c in table if c.startswith("meta_")]) for table in tables]
    verdict = assess_drift(*hidden, PARAMS)
    assert "metadata" not in {channel.name for channel in verdict.channels}
    assert verdict.strata == ()


def test_the_new_site_is_the_stratum_before_its_kernel() -> None:
    verdict = assess(4, new_site=0.8)
    assert (verdict.strata[0].column, verdict.strata[0].value) == ("site", "south")
    assert verdict.strata[0].share_reference == 0.0
    assert {(stratum.column, stratum.value) for stratum in verdict.strata} == {
        ("site", "south"),
        ("kernel", "SHARP"),
    }


@pytest.mark.parametrize(
    ("history", "kind"),
    [
        ((), "not enough evidence"),
        ((False, False), "not enough evidence"),
        ((True, False), "drift"),
        ((True, False, False), "not enough evidence"),
    ],
)
def test_persistence_waits_for_k_of_m_windows(history: tuple[bool, ...], kind: str) -> None:
    generator = np.random.default_rng(1)
    reference, window = scorecards(12, generator), scorecards(12, generator, name="w", new_site=1.0)
    params = DriftParams(permutations=999, persist_k=2, persist_m=3)
    verdict = assess_drift(reference, window, params, history=history)
    assert verdict.alarmed
    assert verdict.kind == kind


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"persist_k": 2}, {"min_patients": 1}, {"permutations": 99}]
)
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        DriftParams(**wrong)


@pytest.mark.parametrize("n", [16, 40])
@pytest.mark.slow
def test_false_alarms_stay_below_alpha(n: int) -> None:
    alpha, trials, alarms = 0.05, 60, 0
    params = DriftParams(alpha=alpha, permutations=199)
    for trial in range(trials):
        generator = np.random.default_rng((n, trial))
        tables = scorecards(n, generator, dimensions=16), scorecards(n, generator, name="w", dimensions=16)
        alarms += assess_drift(*tables, params).alarmed
    assert alarms / trials <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / trials)


def test_the_self_test_replays_the_reference() -> None:
    reference = scorecards(20, np.random.default_rng(0), frames=2)
    found = replay_reference(
        reference, DriftParams(alpha=0.05, permutations=199), np.random.default_rng(0), replays=30
    )
    assert found is not None
    assert (found.replays, found.n_window, found.n_reference) == (30, 10, 10)
    assert found.rate <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 30)
    assert replay_reference(reference.head(10), PARAMS, np.random.default_rng(0)) is None
