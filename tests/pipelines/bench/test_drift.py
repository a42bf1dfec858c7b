from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from components.phantom.heart_variants import VARIANTS
from pipelines.bench.claims import Claim
from pipelines.bench.drift import Sizes, patients_of, windows_of
from pipelines.bench.drift_claims import TRUTH, Quality, SeedResult, claims_of, detected_from, tables_of
from pipelines.bench.drift_figure import draw_drift
from pipelines.bench.drift_history import Cost, measured, write_history
from pipelines.bench.drift_patients import (
    ACQUIRED,
    GRADES,
    MIXED,
    NONE,
    SHIFTS,
    draw_patients,
    labelled_batches,
)
from pipelines.bench.drift_references import REFERENCES, column_distances, column_p_values
from pipelines.bench.drift_windows import Features, WindowSpec
from tests.components.drift.population import scorecards


def test_every_shift_is_drawn_and_has_a_truth() -> None:
    assert set(ACQUIRED) | set(MIXED) == set(SHIFTS) == set(TRUTH)
    draws = patients_of(3, Sizes(base=2, per_grade=1, per_mixed=1, batches=11, per_batch=3))
    assert {draw.shift for draw in draws} == {NONE, *SHIFTS}
    assert len({draw.name for draw in draws}) == len({draw.seed for draw in draws}) == len(draws)
    assert {draw.variant for draw in draws} <= set(VARIANTS)
    assert sum(draw.name.startswith("known") for draw in draws) == 33


def test_severity_grows_with_the_grade_and_is_seen_in_the_scanner() -> None:
    dose = [draw_patients(1, "s", "dose", 1, grade=grade)[0] for grade in range(1, GRADES + 1)]
    assert [draw.severity for draw in dose] == sorted(draw.severity for draw in dose)
    assert dose[-1].scanner.dose < dose[0].scanner.dose < 1.0
    assert draw_patients(1, "s", "species", 1)[0].species == "porcine"
    assert draw_patients(1, "s", "anatomy", 1)[0].variant == "small_heart"


def test_other_seeds_have_other_patients_and_the_same_seed_the_same() -> None:
    assert labelled_batches(1, 3, 2) == labelled_batches(1, 3, 2)
    assert {d.seed for d in labelled_batches(1, 3, 2)}.isdisjoint(d.seed for d in labelled_batches(2, 3, 2))


def features(seed: int = 1) -> Features:
    generator = np.random.default_rng(seed)
    base = scorecards(360, generator, frames=2, name="base-").assign(batch="base", shift=NONE, grade=0)
    mixed = scorecards(40, generator, frames=2, name="pig-", output_shift=3.0).assign(
        batch="s", shift="species", grade=0
    )
    table = pd.concat([base, mixed]).assign(true_dice=0.8)
    return Features.of(table, seed)


def test_windows_share_no_patient_with_their_reference_and_are_mixed_as_stated() -> None:
    drawn = features()
    reference, window = drawn.draw(WindowSpec(n=20, shift="species", grade=4, hidden=False))
    assert reference["patient_id"].nunique() == 300
    assert set(reference["patient_id"]).isdisjoint(window["patient_id"])
    assert window[window["shift"] == "species"]["patient_id"].nunique() == 10
    assert window["patient_id"].nunique() == 20
    hidden, _ = drawn.draw(WindowSpec(n=20, shift="species", grade=4))
    assert not [column for column in hidden if column.startswith("meta_")]
    assert set(hidden["patient_id"]) == set(reference["patient_id"])


def test_evidently_tests_columns_as_the_references_do() -> None:
    """The p-values of its own report, with its defaults."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    generator = np.random.default_rng(0)
    tables = [
        pd.DataFrame(generator.normal(shift, 1, (n, 3)), columns=["a", "b", "c"])
        for n, shift in ((60, 0.0), (25, 0.4))
    ]
    ours = column_p_values(tables[0], tables[1], column_distances(tables[0], tables[1]))
    np.testing.assert_allclose(ours, [stats.ks_2samp(tables[0][c], tables[1][c]).pvalue for c in "abc"])
    definition = DataDefinition(numerical_columns=["a", "b", "c"])
    sets = [Dataset.from_pandas(table, data_definition=definition) for table in tables]
    said = Report([DataDriftPreset()]).run(sets[1], sets[0]).dict()["metrics"]
    values = [one["value"] for one in said if "ValueDrift" in one["metric_name"]]
    np.testing.assert_allclose(ours, values)
    counted = next(one["value"] for one in said if "DriftedColumnsCount" in one["metric_name"])
    assert counted["share"] == pytest.approx(np.mean(ours < 0.05))


@pytest.mark.parametrize(("curve", "grade"), [([1, 1, 1, 1, 1], 1), ([0, 0.9, 0.2, 0.8, 1], 4), ([0] * 5, 6)])
def test_a_shift_is_detected_from_the_grade_on_that_no_later_one_belies(
    curve: list[float], grade: int
) -> None:
    assert detected_from(np.array(curve, dtype=float)) == grade


def result(ours_from: int = 1, theirs_from: int = 2) -> SeedResult:
    rows = [
        {"shift": shift, "grade": grade, "alarmed": grade >= ours_from, "n": 50}
        | dict.fromkeys(REFERENCES, 10.0 * (grade >= theirs_from))
        for shift in SHIFTS
        for grade in range(1, GRADES + 1)
    ]
    still = [
        {"shift": NONE, "grade": 0, "alarmed": i == 0, "n": 50} | dict.fromkeys(REFERENCES, i / 100)
        for i in range(20)
    ]
    null = pd.DataFrame(
        {"n": n, "alarmed": i == 0, "evidently_alarm": 0.0, "evidently_any_column": 1.0}
        for n in (30, 100, 300)
        for i in range(20)
    )
    named = pd.DataFrame(
        {"shift": shift, "alarmed": True, "cause": cause, "carrier": carriers[0]}
        for shift, (cause, carriers) in TRUTH.items()
    )
    windows = pd.DataFrame(
        {
            "shift": shift,
            "grade": 1,
            "estimated": 0.8,
            "low": 0.7,
            "high": 0.9,
            "measured": 0.79 + 0.2 * (shift == "dose"),
        }
        for shift in SHIFTS
    )
    return SeedResult(
        null=null, power=pd.DataFrame([*still, *rows]), named=named,
        quality=Quality(windows=windows, case_coverage=0.91, level=0.9),
        history=[
            Cost(cases=10, seconds=1.0, peak_mib=100.0, kind="no drift"),
            Cost(cases=99, seconds=2.0, peak_mib=110.0, kind="drift"),
        ],
    )  # fmt: skip


def by_id(claims: list[Claim]) -> dict[str, float]:
    return {claim.id: claim.measured for claim in claims}


def test_the_claims_are_those_of_the_tables() -> None:
    found = by_id(claims_of([result()]))
    assert found == {
        "false_alarm_rate_n30": 0.05, "false_alarm_rate_n100": 0.05, "false_alarm_rate_n300": 0.05,
        "shifts_detected_no_later_than_best_reference": 10.0, "attribution_right": 10.0,
        "estimated_dice_mae": pytest.approx((9 * 0.01 + 0.19) / 10), "estimated_dice_interval_coverage": 0.9,
        "conformal_coverage_gap": pytest.approx(0.01), "history_seconds_100k": 2.0, "history_memory_growth": 1.1,
    }  # fmt: skip
    assert by_id(claims_of([result(ours_from=3)]))["shifts_detected_no_later_than_best_reference"] == 0
    assert tables_of(result())["detected_from_grade"]["dose"]["mmd"] == 2
    assert draw_drift([result(), result()]).axes


def test_a_wrong_cause_is_not_right() -> None:
    wrong = result()
    wrong = replace(wrong, named=wrong.named.assign(cause="population"))
    assert by_id(claims_of([wrong]))["attribution_right"] == 3


def test_null_windows_are_as_many_as_claimed() -> None:
    windows = windows_of(Sizes())
    assert {n: sum(one.n == n for one in windows["null"]) for n in (30, 100, 300)} == {
        30: 1000,
        100: 1000,
        300: 1000,
    }
    assert all(one.hidden and one.compared for one in windows["power"])


@pytest.mark.slow
def test_a_day_of_a_history_is_judged_in_a_process_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    generator = np.random.default_rng(0)
    write_history(folder, scorecards(300, generator, name="n"), scorecards(60, generator), cases=450, seed=1)
    cost = measured(folder, 450)
    assert (cost.cases, cost.kind) == (450, "no drift")
    assert cost.seconds > 0
    assert cost.peak_mib > 20
