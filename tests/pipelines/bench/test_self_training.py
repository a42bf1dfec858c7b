"""The claims of the self-training bench from made-up students, and its patients, labels and poison."""

from __future__ import annotations

import numpy as np
import pytest

from components.cohort.structures import HEART_STRUCTURES
from pipelines.bench.self_training_cases import (
    SITES,
    expert_labelled,
    labelled_by,
    patients,
    poisoned,
    taught,
)
from pipelines.bench.self_training_claims import (
    Arms,
    Judged,
    claims_of,
    judged,
    paired_lower_end,
    students_table,
)
from pipelines.bench.self_training_figure import draw_self_training
from pipelines.bench.semi_synthetic_heart import Illustration
from tests.pipelines.bench.truthful_teacher import Truthful

STUDENTS = {
    "teacher": 0.7, "M_1": 0.75, "M_2": 0.8, "M_2 + 4 experts": 0.88, "experts alone": 0.85, "all experts": 0.9,
    "M_2 of the poisoned": 0.79,
}  # fmt: skip


def arms(**changed: float) -> Arms:
    level = {**STUDENTS, **changed}
    wobble = np.linspace(-0.02, 0.02, 12)[:, None]
    return {
        name: Judged(
            dice=np.full((12, len(HEART_STRUCTURES)), dice) + wobble,
            roughness=np.full(12, 0.3 if name == "teacher" else 0.15),
        )
        for name, dice in level.items()
    }


def test_claims_are_what_they_say() -> None:
    claims = {claim.id: claim for claim in claims_of([arms(), arms()])}
    assert claims["gap_closed_self_training"].measured == pytest.approx(0.5)
    assert claims["gap_closed_with_4_experts"].measured == pytest.approx(0.9)
    assert claims["beats_experts_alone"].measured == pytest.approx(0.03)
    assert claims["roughness_ratio"].measured == pytest.approx(0.5)
    assert claims["worst_structure_change"].measured == pytest.approx(0.1)
    assert claims["poison_survived"].measured == pytest.approx(0.79 / 0.8)
    assert all(claim.holds for name, claim in claims.items() if name != "gap_closed_self_training")
    assert not any(
        claim.holds for claim in claims_of([arms(**dict.fromkeys(("M_2", "M_2 + 4 experts"), 0.69))])[:3]
    )


def test_the_worst_structure_counts() -> None:
    one = arms()
    one["M_2"].dice[:, 3] -= 0.2
    claims = {claim.id: claim for claim in claims_of([one])}
    assert claims["worst_structure_change"].measured == pytest.approx(-0.1)
    assert not claims["worst_structure_change"].holds


def test_the_interval_is_paired_and_over_seeds() -> None:
    assert paired_lower_end([arms()], "M_2 + 4 experts", "experts alone") == pytest.approx(0.03)
    unsure = [arms(), arms(**{"experts alone": 0.92})]
    assert paired_lower_end(unsure, "M_2 + 4 experts", "experts alone") == pytest.approx(-0.04)


def test_patients_follow_from_seed_and_side() -> None:
    first, again = (patients(1, "test", 4, (0.0, 50.0)) for _ in range(2))
    other = patients(1, "train", 4, (0.0, 50.0))
    assert [p.scanner for p in first] == [*SITES, SITES[0]]
    voxels = [p.frames[1].volume.voxels_hu for p in first]
    assert all(np.array_equal(a, p.frames[1].volume.voxels_hu) for a, p in zip(voxels, again, strict=True))
    assert not np.array_equal(voxels[0], other[0].frames[1].volume.voxels_hu)


def test_a_perfect_teacher_scores_one() -> None:
    cases = patients(2, "test", 1, (0.0, 50.0))
    result = judged(cases, lambda patient, i: patient.frames[i].labels.labels)
    assert np.allclose(result.dice, 1.0)


def test_labels_of_all_frames_and_of_failures() -> None:
    cases = patients(2, "train", 2, (0.0, 50.0))
    told: list[tuple[int, int]] = []
    labels = labelled_by(Truthful(cases, fails=1), cases, lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [int(labels[name].any()) for name in sorted(labels)] == [1, 0, 1, 1]
    assert len(taught(cases, labels)) == 3  # the stage leaves a frame without any structure out
    assert {frame.provenance for frame in taught(cases, labels)} == {"pseudo"}
    assert [frame.frame_id for frame in expert_labelled(cases, (1,))] == ["train-00-01", "train-01-01"]


def test_poison_swaps_two_structures_in_a_third_of_the_frames() -> None:
    labels = {f"f{i}": np.array([[[0, 1, 2, 3, 255]]], np.uint8) for i in range(9)}
    result = poisoned(labels, np.random.default_rng(0))
    swapped = [name for name in labels if result[name].tolist() == [[[0, 2, 1, 3, 255]]]]
    same = [name for name in labels if np.array_equal(result[name], labels[name])]
    assert (len(swapped), len(same)) == (3, 6)
    assert set(poisoned(labels, np.random.default_rng(1))) == set(labels)


def test_table_and_picture() -> None:
    rows = students_table([arms()])
    assert [row["student"] for row in rows] == list(STUDENTS)
    assert rows[0]["dice"] == 0.7
    assert rows[4]["lower_end_of_m2_plus_4_minus_this"] == 0.03
    nothing = Illustration(table={"shown": False, "why": "no scan"})
    figure = draw_self_training([arms()], nothing)
    assert len(figure.axes) == 3
