from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import InputError
from components.volume.volume import LabelMap
from pipelines.bench import loop_answers, loop_baselines
from pipelines.bench.acquisition_pool import GRID
from pipelines.bench.loop import cycle_of
from pipelines.bench.loop_answers import FAULTS, exchanged, fault_of, first_answer, second_answer, spoilt
from pipelines.bench.loop_baselines import ArmYear
from pipelines.bench.loop_books import Shipped
from pipelines.bench.loop_claims import SeedYear, claims_of, tables_of
from pipelines.bench.loop_figure import draw_loop
from pipelines.bench.loop_ours import Cycle
from pipelines.bench.loop_students import Lesson, Students, expert_lesson, swollen
from pipelines.bench.loop_year import (
    BATCH,
    RECALL_MONTH,
    SHARES,
    SHIFTS,
    TAUGHT,
    TEACHER_MONTH,
    WRONG_MONTH,
    Year,
    YearSize,
    batch_name,
    draw_year,
    patients_of,
)
from pipelines.figures.canvas import png

SIZE = YearSize(start=1, held_out=1, taught=1, batch=2, fresh=1, months=WRONG_MONTH, phases=(0.0, 50.0))


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    return draw_year(100, SIZE, tmp_path_factory.mktemp("year"))


def cycle(month: int, **changed: Any) -> Cycle:
    usual = Cycle(
        month=month, score=0.8, alarmed=False, channels=(), labels=30, doubted=0, wrong=0, caught=0, events=(),
        gates=(),
    )  # fmt: skip
    return dataclasses.replace(usual, **changed)


def arm(score: float, labels: int) -> ArmYear:
    return ArmYear(scores=(score,) * 12, labels=(labels,) * 12)


def good_year(**changed: Any) -> SeedYear:
    alarms, wrong = {4, 5, 7, 11}, {6: 10}
    ours = [
        cycle(m, alarmed=m in alarms, wrong=wrong.get(m, 0), caught=wrong.get(m, 0)) for m in range(1, 13)
    ]
    usual = SeedYear(
        seed=100, ours=ours, never=arm(0.7, 0), random=arm(0.79, 30), everything=arm(0.805, 100), replay=()
    )
    return dataclasses.replace(usual, **changed)


def gate(kind: str, *, promoted: bool, truly: float) -> dict[str, Any]:
    return {"kind": kind, "promoted": promoted, "truly": truly}


def test_what_changes_stays_and_only_its_share() -> None:
    for month in (1, SHIFTS["scanner"], SHIFTS["protocol"], SHIFTS["population"]):
        found = patients_of(100, BATCH, month, 50)
        shown = {
            "scanner": np.mean([one.scanner.site == "east" for one in found]),
            "protocol": np.mean([one.variant == "pulmonary_timing" for one in found]),
            "population": np.mean([one.species == "porcine" for one in found]),
        }
        assert shown == {name: SHARES[name] if month >= SHIFTS[name] else 0.0 for name in SHIFTS}


def test_no_patient_is_in_two_groups_and_a_killed_drawing_goes_on(year: Year, tmp_path: Path) -> None:
    fresh = [name for pool in year.fresh.values() for name in pool.frames["patient_id"]]
    patients = [*year.frames["patient_id"].unique(), *fresh]
    assert len(patients) == len(set(patients)) == 3 + 3 * WRONG_MONTH
    again = draw_year(100, SIZE, tmp_path)
    np.testing.assert_array_equal(again.pool.voxels, year.pool.voxels)


def test_only_one_month_is_answered_wrongly_and_alike_for_every_arm(year: Year) -> None:
    rows = range(len(year.frames))
    faulty = {row for row in rows if fault_of(year, row) is not None}
    assert faulty <= set(year.rows(batch_name(WRONG_MONTH)))
    for row in rows:
        same = np.array_equal(first_answer(year, row).labels, year.pool.labels[row])
        assert same == (row not in faulty)
        np.testing.assert_array_equal(second_answer(year, row).labels, year.pool.labels[row])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_the_answer(year: Year, fault: loop_answers.Fault) -> None:
    row = year.rows(batch_name(WRONG_MONTH))[0]
    assert not np.array_equal(spoilt(year, row, fault), year.pool.labels[row])


def test_the_door_refuses_what_is_empty_or_flooded_and_nothing_else(year: Year) -> None:
    check, row = Shipped.read().check, year.rows(batch_name(WRONG_MONTH))[0]
    for fault in FAULTS:
        answer = loop_answers.drawn(spoilt(year, row, fault))
        if fault in ("unfinished", "flooded"):
            with pytest.raises(InputError):
                check.label_map(answer, GRID)
        else:
            assert isinstance(check.label_map(answer, GRID), LabelMap)


def test_exchanging_names_twice_is_nothing_and_swelling_takes_background_alone(year: Year) -> None:
    truth = year.pool.labels[0]
    np.testing.assert_array_equal(exchanged(exchanged(truth)), truth)
    found = swollen(truth)
    np.testing.assert_array_equal(found[truth > 0], truth[truth > 0])
    assert (found > 0).sum() > (truth > 0).sum()


def test_a_teacher_labels_neither_held_out_patients_nor_those_of_an_expert(
    year: Year, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    later = dataclasses.replace(
        year.pool, frames=year.frames.replace({"batch": {batch_name(WRONG_MONTH): batch_name(TEACHER_MONTH)}})
    )
    shifted = dataclasses.replace(year, pool=later)
    students = Students(
        year=shifted, folder=tmp_path, start_steps=1, steps=1, demanded=Shipped.read().plausibility
    )
    asked: list[int] = []

    def note(students: Students, version: str, rows: list[int]) -> dict[int, Lesson]:
        asked.extend(rows)
        return {}

    monkeypatch.setattr(Students, "taught", note)
    first, second = shifted.rows(batch_name(TEACHER_MONTH))[::2]
    answered = {first: expert_lesson(year.pool.labels[first])}
    students.pseudo(TEACHER_MONTH, answered, held_out=[second])
    assert asked == shifted.rows(TAUGHT)
    asked.clear()
    students.pseudo(TEACHER_MONTH, {})
    assert asked == [*shifted.rows(TAUGHT), *shifted.rows(batch_name(TEACHER_MONTH))]
    asked.clear()
    assert students.pseudo(RECALL_MONTH, {}) == {}
    assert not asked


def test_random_labels_are_of_as_many_patients_as_there_are(
    year: Year, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = Shipped.read()
    students = Students(year=year, folder=tmp_path, start_steps=1, steps=1, demanded=shipped.plausibility)
    found: dict[int, list[int]] = {}

    def note(students: Students, check: object, name: str, chosen: dict[int, list[int]]) -> ArmYear:
        found.update(chosen)
        return arm(0.0, 0)

    monkeypatch.setattr(loop_baselines, "_monthly", note)
    loop_baselines.random_labels(students, shipped.check, 3 * WRONG_MONTH)
    for month, rows in found.items():
        assert len(rows) == len(set(rows)) == 3
        assert set(rows) <= set(year.rows(batch_name(month)))
        assert year.frames["patient_id"].iloc[rows].nunique() == SIZE.batch


def test_a_good_year_holds_every_claim() -> None:
    claims = {claim.id: claim for claim in claims_of([good_year()])}
    assert all(claim.holds for claim in claims.values())
    assert claims["gain_vs_never"].measured == pytest.approx(0.1)
    assert claims["gap_to_everything"].measured == pytest.approx(0.005)
    assert claims["label_share_of_everything"].measured == pytest.approx(0.3)
    assert claims["detection_delay_batches"].measured == 1
    assert claims["false_alarms"].measured == 0


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        ("bad_challengers_promoted", {8: {"gates": (gate("bad", promoted=True, truly=0.9),)}}),
        ("bad_challengers_promoted", {2: {"gates": (gate("retrained", promoted=True, truly=0.7),)}}),
        ("wrong_labels_caught", {6: {"wrong": 10, "caught": 8}}),
        ("detection_delay_batches", {7: {"alarmed": False}}),
        ("false_alarms", {1: {"alarmed": True}, 9: {"alarmed": True}}),
    ],
)
def test_a_bad_year_fails_its_claim(claim: str, changed: dict[int, dict[str, Any]]) -> None:
    good = good_year()
    ours = [dataclasses.replace(one, **changed.get(one.month, {})) for one in good.ours]
    failed = [one.id for one in claims_of([good, dataclasses.replace(good, ours=ours)]) if not one.holds]
    assert failed == [claim]


def test_one_difference_is_no_replay() -> None:
    failed = [one.id for one in claims_of([good_year(replay=("month 4: chosen",))]) if not one.holds]
    assert failed == ["replay_identical"]


def test_a_year_without_wrong_answers_proves_nothing_about_them() -> None:
    ours = [dataclasses.replace(one, wrong=0, caught=0) for one in good_year().ours]
    failed = [one.id for one in claims_of([good_year(ours=ours)]) if not one.holds]
    assert failed == ["wrong_labels_caught"]


def test_cycles_survive_json_and_the_picture_is_drawn() -> None:
    one = good_year()
    tables = json.loads(json.dumps(tables_of(one)))
    assert [cycle_of(told) for told in tables["ours"]] == list(one.ours)
    assert png(draw_loop([one, one])).startswith(b"\x89PNG")
