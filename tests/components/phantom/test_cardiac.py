"""The beating heart: what a physiologist would check."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from components.cohort.structures import HEART_LABELS, HEART_STRUCTURES
from components.phantom.body import Species
from components.phantom.cardiac import CardiacCase, cardiac_case
from components.phantom.scanner import SCANNERS

CUBE = (48, 48, 48)
STEP = (4.0, 4.0, 4.0)


@cache
def case(seed: int, species: Species, phases: tuple[float, ...] = (0.0, 20.0, 37.0, 70.0)) -> CardiacCase:
    return cardiac_case(
        seed=seed, species=species, scanner=SCANNERS["reference"], phases_percent=phases,
        shape=CUBE, spacing_mm=STEP,
    )  # fmt: skip


def millilitres(case: CardiacCase, frame: int) -> dict[str, float]:
    labels = case.frames[frame].labels
    counts = np.bincount(labels.labels.ravel(), minlength=8)
    return {
        name: float(counts[value] * labels.geometry.voxel_volume_ml) for value, name in HEART_LABELS.items()
    }


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("species", ["human", "porcine"])
def test_all_seven_structures_are_there_in_all_phases(seed: int, species: Species) -> None:
    for i, frame in enumerate(case(seed, species).frames):
        ml = millilitres(case(seed, species), i)
        assert min(ml.values()) > 8, (frame.phase_percent, ml)
        labels = frame.labels.labels
        heart = np.isin(labels, [1, 2, 3, 5])
        edge = sum(int(np.take(heart, i, axis).sum()) for axis in range(3) for i in (0, -1))
        assert edge <= 0.02 * heart.sum()


@pytest.mark.parametrize("seed", range(20))
def test_function_is_within_physiology(seed: int) -> None:
    drawn = case(seed, "human")
    diastole, systole = millilitres(drawn, 0), millilitres(drawn, 2)
    fraction = 1 - systole["left_ventricle"] / diastole["left_ventricle"]
    assert fraction == pytest.approx(drawn.heart.ejection_fraction, abs=0.05)
    assert 0.40 < fraction < 0.75
    assert 0.25 < 1 - systole["right_ventricle"] / diastole["right_ventricle"] < 0.75
    for atrium in ("left_atrium", "right_atrium"):
        assert systole[atrium] > 1.1 * diastole[atrium]


@pytest.mark.parametrize("seed", range(6))
def test_myocardium_keeps_its_volume_within_four_percent(seed: int) -> None:
    volumes = [millilitres(case(seed, "human"), i)["myocardium"] for i in range(4)]
    assert max(volumes) / min(volumes) < 1.04


def test_same_seed_same_bytes_other_seed_other_patient() -> None:
    def frame(seed: int) -> bytes:
        drawn = cardiac_case(
            seed=seed, species="human", scanner=SCANNERS["reference"], phases_percent=(10.0,),
            shape=(24, 24, 24), spacing_mm=(8.0, 8.0, 8.0),
        )  # fmt: skip
        return drawn.frames[0].volume.voxels_hu.tobytes() + drawn.frames[0].labels.labels.tobytes()

    assert frame(5) == frame(5)
    assert frame(5) != frame(6)


def test_another_scanner_sees_the_same_patient() -> None:
    sharp = cardiac_case(
        seed=0, species="human", scanner=SCANNERS["sharp"], phases_percent=(0.0,), shape=CUBE, spacing_mm=STEP
    ).frames[0]
    first = case(0, "human").frames[0]
    assert np.array_equal(first.labels.labels, sharp.labels.labels)
    assert not np.array_equal(first.volume.voxels_hu, sharp.volume.voxels_hu)


def test_late_contrast_darkens_the_left_heart() -> None:
    def left(delay_s: float) -> float:
        scanner = replace(SCANNERS["reference"], contrast_delay_s=delay_s)
        frame = cardiac_case(
            seed=1, species="human", scanner=scanner, phases_percent=(0.0,), shape=CUBE, spacing_mm=STEP
        ).frames[0]
        return float(frame.volume.voxels_hu[frame.labels.labels == 1].mean())

    assert left(12.0) < left(0.0) - 80


def test_field_of_view_scales_the_spacing() -> None:
    wide = replace(SCANNERS["reference"], field_of_view=1.25)
    frame = cardiac_case(
        seed=1, species="human", scanner=wide, phases_percent=(0.0,), shape=CUBE, spacing_mm=STEP
    ).frames[0]
    assert frame.volume.geometry.spacing_mm == (5.0, 5.0, 5.0)
    assert frame.volume.geometry.orientation == "LPS"


def test_tissues_have_their_densities() -> None:
    frame = case(2, "human").frames[0]
    hu, labels = frame.volume.voxels_hu, frame.labels.labels
    assert tuple(frame.labels.names.values()) == HEART_STRUCTURES
    assert 60 < np.median(hu[labels == 5]) < 160
    assert np.median(hu[labels == 1]) > 250
    assert np.percentile(hu, 5) < -700
    assert np.percentile(hu, 99.9) > 350


def test_patients_differ_as_people_do() -> None:
    volumes = np.array([millilitres(case(seed, "human"), 0)["left_ventricle"] for seed in range(20)])
    assert 0.1 < volumes.std() / volumes.mean() < 0.4
    assert 70 < volumes.mean() < 190


def test_the_pig_differs_from_the_human() -> None:
    def wall_per_cavity(species: Species) -> float:
        ml = [millilitres(case(seed, species), 0) for seed in range(6)]
        return float(np.mean([m["myocardium"] / m["left_ventricle"] for m in ml]))

    assert wall_per_cavity("porcine") > 1.2 * wall_per_cavity("human")
