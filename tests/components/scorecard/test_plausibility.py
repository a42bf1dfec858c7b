"""Every measure against a closed form; phantoms of both species are plausible, broken maps are not."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import ndimage

from components.errors import ParameterError
from components.phantom.body import Species
from components.phantom.cardiac import CardiacFrame, cardiac_case
from components.phantom.scanner import SCANNERS
from components.scorecard.plausibility import Plausibility, bordering_share, gap_mm, judge
from components.volume.geometry import Geometry
from components.volume.turned import Turned
from components.volume.volume import LabelMap, Volume
from pipelines.params import load_section
from pipelines.pseudo_params import PseudoLabelParams

NAMES = {1: "cavity", 2: "wall", 3: "vessel"}
SHIPPED = Path(__file__).parents[3] / "pipelines" / "params.yaml"


def label_map(labels: np.ndarray, spacing: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> LabelMap:
    grid = Geometry.axis_aligned(labels.shape, spacing)
    return LabelMap(labels=labels.astype(np.uint8), geometry=grid, names=NAMES)


def shell() -> np.ndarray:
    """A cavity of 4³ in a wall of one voxel, and a vessel of two parts above it, four voxels away."""
    labels = np.zeros((20, 12, 12))
    labels[2:8, 2:8, 2:8] = 2
    labels[3:7, 3:7, 3:7] = 1
    labels[12:14, 4:6, 4:6] = 3
    labels[17:18, 4:6, 4:6] = 3
    return labels


def test_volumes_components_and_shares_are_counted() -> None:
    report = judge(label_map(shell()), Plausibility())
    assert report.volumes_ml == pytest.approx({"cavity": 0.512, "wall": (216 - 64) * 0.008, "vessel": 0.096})
    assert report.components == {"cavity": 1, "wall": 1, "vessel": 2}
    assert report.largest_shares == pytest.approx({"cavity": 1.0, "wall": 1.0, "vessel": 8 / 12})
    assert report.plausible
    # no demand is missed; shares and 1/sqrt(components) are means over the structures
    assert report.score == pytest.approx(np.mean([1.0, (2 + 8 / 12) / 3, (2 + 0.5**0.5) / 3]))


def test_gap_is_between_voxel_centres_less_one_diagonal() -> None:
    labels = np.zeros((3, 3, 12))
    labels[1, 1, 1], labels[1, 1, 9] = 1, 2
    found = gap_mm(label_map(labels, (3.0, 4.0, 5.0)), 1, 2)
    assert found == pytest.approx(8 * 5.0 - math.sqrt(9 + 16 + 25))
    assert gap_mm(label_map(labels), 1, 3) == math.inf
    assert gap_mm(label_map(shell()), 1, 2) == 0.0


def test_gap_agrees_with_brute_force() -> None:
    labels = np.random.default_rng(0).choice([0, 1, 2], (6, 7, 8), p=[0.96, 0.02, 0.02])
    made = label_map(labels, (3.0, 2.0, 1.5))
    points = [np.argwhere(labels == value) * [3.0, 2.0, 1.5] for value in (1, 2)]
    nearest = min(np.linalg.norm(a - b) for a in points[0] for b in points[1])
    assert gap_mm(made, 1, 2) == pytest.approx(max(0.0, nearest - np.linalg.norm([3.0, 2.0, 1.5])))


def test_bordering_share_is_of_the_surface_in_square_millimetres() -> None:
    assert bordering_share(label_map(shell()), 1, 2) == 1.0
    labels = np.zeros((3, 3, 4))
    labels[1, 1, 1], labels[1, 1, 2], labels[2, 1, 1] = 1, 2, 2
    z, y, x = 3.0, 4.0, 5.0
    whole = 2 * (z * y + z * x + y * x)
    assert bordering_share(label_map(labels, (z, y, x)), 1, 2) == pytest.approx((z * y + y * x) / whole)


@pytest.mark.parametrize(
    ("demanded", "reason"),
    [
        (Plausibility(volume_ml={"cavity": (1.0, 9.0)}), "volume of cavity: expected 1 to 9 ml, got 0.5 ml"),
        (Plausibility(volume_ml={"cavity": (0.1, 0.4)}), "volume of cavity"),
        (Plausibility(largest_share={"vessel": 0.7}), "0.67 in the largest of 2 parts"),
        (Plausibility(neighbours=(("wall", "vessel"),), max_gap_mm=5.0), "gap of wall and vessel"),
        (Plausibility(enclosed=(("wall", "cavity", 0.1),)), "wall inside cavity"),
        (Plausibility(sides=(("wall", "superior", "vessel"),)), "wall lies superior of vessel"),
        (Plausibility(beyond=(("wall", "superior", "vessel"),)), "wall reaches further superior of vessel"),
        (Plausibility(refuse_below=0.99), "expected a score of 0.99 or more"),
    ],
)
def test_each_demand_can_fail(demanded: Plausibility, reason: str) -> None:
    report = judge(label_map(shell()), demanded)
    assert not report.plausible
    assert reason in report.reasons[0]
    assert report.score < judge(label_map(shell()), Plausibility()).score or demanded.refuse_below


def test_each_demand_can_hold() -> None:
    demanded = Plausibility(
        volume_ml={"cavity": (0.5, 0.6)},
        largest_share={"vessel": 0.6},
        neighbours=(("wall", "vessel"), ("cavity", "wall")),
        max_gap_mm=9.0,
        enclosed=(("cavity", "wall", 1.0),),
        sides=(("vessel", "superior", "wall"),),
        beyond=(("wall", "left", "vessel"), ("wall", "anterior", "cavity")),
    )
    report = judge(label_map(shell()), demanded)
    assert report.reasons == ()
    assert set(report.checks.values()) == {1.0}
    assert report.offsets_mm["vessel", "superior", "wall"] == pytest.approx(2 * ((2 * 12.5 + 17) / 3 - 4.5))


def test_a_demand_that_is_missed_more_scores_less() -> None:
    scores = [
        judge(label_map(shell()), Plausibility(volume_ml={"cavity": (least, 99.0)})).score
        for least in (0.5, 1.0, 2.0, 4.0)
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


def test_an_empty_map_scores_nothing() -> None:
    report = judge(label_map(np.zeros((4, 4, 4))), Plausibility())
    assert (report.score, report.plausible) == (0.0, False)


def test_missing_structures_are_asked_for_by_their_volume_alone() -> None:
    labels = shell()
    labels[labels == 1] = 0
    enclosed = Plausibility(enclosed=(("cavity", "wall", 0.5),))
    assert judge(label_map(labels), enclosed).plausible
    assert not judge(label_map(labels), replace(enclosed, volume_ml={"cavity": (0.1, 9.0)})).plausible


def test_demands_on_structures_that_no_teacher_writes_are_left_out() -> None:
    demanded = Plausibility(
        volume_ml={"cavity": (0.0, 9.0), "vessel": (0.0, 9.0)},
        neighbours=(("wall", "vessel"), ("cavity", "wall")),
        enclosed=(("cavity", "wall", 0.5),),
        sides=(("vessel", "superior", "wall"),),
    )
    left = demanded.only({"cavity", "wall"})
    assert left.volume_ml == {"cavity": (0.0, 9.0)}
    assert (left.neighbours, left.enclosed, left.sides) == ((("cavity", "wall"),), demanded.enclosed, ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"volume_ml": {"a": (2.0, 1.0)}},
        {"largest_share": {"a": 1.5}},
        {"enclosed": (("a", "b", -1.0),)},
        {"sides": (("a", "above", "b"),)},
        {"max_gap_mm": 0.0},
    ],
)
def test_impossible_demands_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        Plausibility(**wrong)  # type: ignore[arg-type]


# --- the shipped demands on phantoms


@cache
def shipped() -> Plausibility:
    return load_section(PseudoLabelParams, SHIPPED, "pseudo_label", "segmentation").plausibility


@cache
def frames(species: Species) -> tuple[CardiacFrame, ...]:
    """Two patients of each of three scanners, at end-diastole and end-systole."""
    made: list[CardiacFrame] = []
    for seed, scanner in enumerate(["reference", "reference-b", "sharp"] * 2):
        made += cardiac_case(
            seed=3000 + seed, species=species, scanner=SCANNERS[scanner], phases_percent=(0.0, 35.0),
            shape=(48, 48, 48), spacing_mm=(4.0, 4.0, 4.0),
        ).frames  # fmt: skip
    return tuple(made)


def relabelled(frame: CardiacFrame, labels: np.ndarray) -> LabelMap:
    return LabelMap(labels=labels.astype(np.uint8), geometry=frame.labels.geometry, names=frame.labels.names)


@pytest.mark.parametrize("species", ["human", "porcine"])
def test_true_hearts_are_plausible(species: Species) -> None:
    for frame in frames(species):
        report = judge(frame.labels, shipped())
        assert report.plausible, report.reasons
        assert report.score > 0.9


@pytest.mark.parametrize("species", ["human", "porcine"])
@pytest.mark.parametrize("pair", list(itertools.combinations(range(1, 8), 2)), ids=str)
def test_swapped_structures_are_not(species: Species, pair: tuple[int, int]) -> None:
    table = np.arange(256)
    table[list(pair)] = pair[::-1]
    for frame in frames(species)[:4]:
        assert not judge(relabelled(frame, table[frame.labels.labels]), shipped()).plausible


@pytest.mark.parametrize("species", ["human", "porcine"])
@pytest.mark.parametrize("code", ["RAS", "LAI", "RPI", "RPS", "LAS", "LPI", "PRS"])
def test_flipped_hearts_are_not(species: Species, code: str) -> None:
    for frame in frames(species)[:4]:
        as_hu = Volume(voxels_hu=frame.labels.labels.astype(np.int16), geometry=frame.labels.geometry)
        shown = Turned(code).show(as_hu)
        flipped = LabelMap(
            labels=shown.voxels_hu.astype(np.uint8), geometry=shown.geometry, names=frame.labels.names
        )
        assert not judge(flipped, shipped()).plausible


@pytest.mark.parametrize("species", ["human", "porcine"])
@pytest.mark.parametrize("value", range(1, 8))
def test_hearts_without_a_structure_are_not(species: Species, value: int) -> None:
    frame = frames(species)[0]
    assert not judge(
        relabelled(frame, np.where(frame.labels.labels == value, 0, frame.labels.labels)), shipped()
    ).plausible


@pytest.mark.parametrize("species", ["human", "porcine"])
@pytest.mark.parametrize("value", [1, 2, 3, 4, 5])
def test_fragmented_chambers_are_not(species: Species, value: int) -> None:
    """Every second slice removed: no part holds more than a third or so."""
    frame = frames(species)[0]
    labels = frame.labels.labels.copy()
    where = np.argwhere(labels == value)[:, 0]
    slabs = (np.arange(labels.shape[0]) - where.min()) % 2 == 1
    cut = np.where((labels == value) & slabs[:, None, None], 0, labels)
    assert ndimage.label(cut == value)[1] > 2
    assert not judge(relabelled(frame, cut), shipped()).plausible


def test_doubled_hearts_are_not() -> None:
    frame = frames("human")[0]
    larger = Geometry.axis_aligned(frame.labels.geometry.shape, (8.0, 8.0, 8.0))
    made = LabelMap(labels=frame.labels.labels, geometry=larger, names=frame.labels.names)
    assert not judge(made, shipped()).plausible


def test_shipped_demands_name_known_structures() -> None:
    structures = set(yaml.safe_load(SHIPPED.read_text())["labels"]["structures"])
    assert shipped().only(structures) == shipped()
