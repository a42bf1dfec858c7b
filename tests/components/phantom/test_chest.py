"""Findings: each changes what it should, and nothing else."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from components.cohort.findings import CT_RATE_FINDINGS
from components.errors import ParameterError
from components.phantom.chest import FINDINGS_DRAWN, ChestCase, chest_case, draw_findings
from components.phantom.scanner import SCANNERS

NONE = dict.fromkeys(FINDINGS_DRAWN, 0.0)
MIN_ML = {
    "lung_nodule": 1, "coronary_artery_wall_calcification": 1, "arterial_wall_calcification": 1,
    "medical_material": 2, "hiatal_hernia": 12,
}  # fmt: skip


@cache
def with_only(finding: str | None, seed: int = 3) -> ChestCase:
    prevalence = NONE | ({finding: 1.0} if finding else {})
    return chest_case(
        seed=seed,
        scanner=SCANNERS["reference"],
        prevalence=prevalence,
        shape=(48, 64, 64),
        spacing_mm=(6.0,) * 3,
    )


def change(finding: str, seed: int = 3) -> npt.NDArray[np.int32]:
    found = with_only(finding, seed).volume.voxels_hu.astype(np.int32)
    return found - with_only(None, seed).volume.voxels_hu


def test_the_names_are_those_of_ct_rate() -> None:
    assert set(FINDINGS_DRAWN) <= set(CT_RATE_FINDINGS)
    assert len(FINDINGS_DRAWN) >= 8


@pytest.mark.parametrize("seed", [3, 4, 5])
@pytest.mark.parametrize("finding", FINDINGS_DRAWN)
def test_a_finding_is_reported_and_seen(finding: str, seed: int) -> None:
    case = with_only(finding, seed)
    assert case.findings == {name: int(name == finding) for name in FINDINGS_DRAWN}
    seen_ml = (np.abs(change(finding, seed)) > 60).sum() * case.volume.geometry.voxel_volume_ml
    assert seen_ml > MIN_ML.get(finding, 25), seen_ml


@pytest.mark.parametrize(("finding", "brighter"), [("emphysema", False), ("consolidation", True)])
def test_direction_of_the_change(finding: str, brighter: bool) -> None:
    moved = change(finding)
    assert (moved[np.abs(moved) > 60].mean() > 0) == brighter


def test_an_effusion_is_dependent() -> None:
    case = with_only("pleural_effusion")
    where = np.argwhere(change("pleural_effusion") > 300)
    z, y, _ = where.mean(axis=0)
    assert y > 0.55 * case.volume.geometry.shape[1]
    assert z < 0.5 * case.volume.geometry.shape[0]


def test_prevalence_is_met_and_findings_are_independent() -> None:
    table = np.array([list(draw_findings(seed, {}).values()) for seed in range(300)])
    assert table.mean() == pytest.approx(0.35, abs=0.03)
    off_diagonal = np.corrcoef(table.T)[~np.eye(table.shape[1], dtype=bool)]
    assert abs(off_diagonal.mean()) < 0.05


def test_same_seed_same_bytes() -> None:
    first, second = (
        chest_case(seed=9, scanner=SCANNERS["sharp"], shape=(24, 32, 32), spacing_mm=(12.0,) * 3)
        for _ in range(2)
    )
    assert first.volume.voxels_hu.tobytes() == second.volume.voxels_hu.tobytes()
    assert first.findings == second.findings


def test_an_unknown_finding_is_refused() -> None:
    with pytest.raises(ParameterError, match="mosaic"):
        chest_case(seed=0, scanner=SCANNERS["reference"], prevalence={"mosaic_attenuation_pattern": 1.0})


def test_a_large_heart_is_large() -> None:
    """Cardiothoracic ratio from soft tissue between the lungs, on the slice where the heart is widest."""
    normal, large = (with_only(f).volume.voxels_hu for f in (None, "cardiomegaly"))
    assert ((large > -300) & (normal < -600)).sum() * 0.216 > 150
