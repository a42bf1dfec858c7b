"""Each rare heart differs from the usual one in what its name says, and in nothing that it does not touch."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from components.cohort.structures import HEART_LABELS
from components.phantom.cardiac import CardiacFrame, cardiac_case
from components.phantom.heart_anatomy import draw_heart
from components.phantom.heart_variants import MIRRORED, USUAL, VARIANTS, variant_of
from components.phantom.scanner import SCANNERS


@cache
def frame(variant: str, seed: int = 3) -> CardiacFrame:
    case = cardiac_case(
        seed=seed, species="human", scanner=SCANNERS["reference"], phases_percent=(70.0,), shape=(32, 32, 32),
        spacing_mm=(6.0, 6.0, 6.0), variant=variant,
    )  # fmt: skip
    return case.frames[0]


def voxels(variant: str, seed: int = 3) -> dict[str, int]:
    counts = np.bincount(frame(variant, seed).labels.labels.ravel(), minlength=8)
    return {name: int(counts[value]) for value, name in HEART_LABELS.items()}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", [3, 4])
def test_every_variant_shows_all_structures(variant: str, seed: int) -> None:
    assert min(voxels(variant, seed).values()) > 0


@pytest.mark.parametrize(
    ("variant", "structure", "low", "high"),
    [
        ("dilated_left_ventricle", "left_ventricle", 1.6, 2.6),
        ("thick_wall", "myocardium", 1.7, 2.6),
        ("thick_wall", "left_ventricle", 0.3, 0.65),
        ("dilated_right_heart", "right_ventricle", 1.5, 4.0),
        ("giant_left_atrium", "left_atrium", 2.5, 6.0),
        ("aortic_aneurysm", "aorta", 2.0, 4.5),
        ("small_heart", "left_ventricle", 0.05, 0.35),
        ("turned_backwards", "left_ventricle", 0.85, 1.15),
    ],
)
@pytest.mark.parametrize("seed", [3, 4])
def test_volumes_are_those_of_the_name(
    variant: str, structure: str, low: float, high: float, seed: int
) -> None:
    assert low < voxels(variant, seed)[structure] / voxels(USUAL, seed)[structure] < high


def test_mirrored_is_the_usual_heart_turned_over() -> None:
    assert np.array_equal(frame(MIRRORED).labels.labels, frame(USUAL).labels.labels[:, :, ::-1])
    # their noise is not the same: means agree
    gap = frame(MIRRORED).volume.voxels_hu - frame(USUAL).volume.voxels_hu[:, :, ::-1].astype(float)
    assert abs(gap.mean()) < 1.0


def test_pulmonary_timing_has_the_usual_anatomy_and_a_dim_left_heart() -> None:
    ours, usual = frame("pulmonary_timing"), frame(USUAL)
    assert np.array_equal(ours.labels.labels, usual.labels.labels)
    left, right = (ours.volume.voxels_hu[ours.labels.labels == value].mean() for value in (1, 2))
    assert left < 160 < 350 < right


def test_a_turned_heart_keeps_its_middle_and_its_right_angles() -> None:
    heart = draw_heart(np.random.default_rng(0), "human")
    turned = variant_of("turned_backwards", heart, np.random.default_rng(1))
    assert turned.axes @ turned.axes.T == pytest.approx(np.eye(3))
    assert np.linalg.det(turned.axes) == pytest.approx(np.linalg.det(heart.axes))
    assert turned.world(14, 0, 22) == pytest.approx(heart.world(14, 0, 22))
    cosine = (np.trace(turned.axes.T @ heart.axes) - 1) / 2  # of the angle of a rotation
    assert 45 <= np.degrees(np.arccos(cosine)) <= 60
