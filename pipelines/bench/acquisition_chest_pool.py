"""The chests of ``ctloop bench acquisition --task classification``: rare findings one to a patient, two common ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.phantom.chest import FINDINGS_DRAWN, chest_case
from components.phantom.heart_variants import USUAL
from components.phantom.scanner import SCANNERS
from components.volume.geometry import Geometry
from pipelines.bench.acquisition_pool import (
    BROKEN,
    CONTROL_POOL,
    MAIN_POOL,
    Composition,
    Drawn,
    Patient,
    as_kept,
)

SPACING_MM, SHAPE = 8.0, (36, 48, 48)
GRID = Geometry.axis_aligned(SHAPE, (SPACING_MM,) * 3)
COMMON = ("cardiomegaly", "pleural_effusion")
RARE = (
    "emphysema", "lung_opacity", "interlobular_septal_thickening", "atelectasis", "pericardial_effusion",
    "consolidation",
)  # fmt: skip
FINDINGS = (*COMMON, *RARE)
PREVALENCE = 0.3  # of the common ones
_FRAMES = ((1, 0.6), (2, 0.25), (4, 0.15))  # reconstructions of a scan → share of the patients

MAIN = Composition(
    name=MAIN_POOL, usual=66, rare=(4, 4, 5, 5, 6, 6), broken=4, rare_kinds=RARE, frames=_FRAMES
)
CONTROL = Composition(name=CONTROL_POOL, usual=18, rare=(13,) * 6, broken=4, rare_kinds=RARE, frames=_FRAMES)
TEST = Composition(name="test", usual=48, rare=(16,) * 6, rare_kinds=RARE, frames=((1, 1.0),))
TAUGHT = Composition(
    name="taught", usual=36, rare=(2,) * 6, rare_kinds=RARE, frames=((1, 1.0),), sites=(("reference", 1.0),)
)


def draw_chest(patient: Patient) -> Drawn:
    """Reconstructions of one scan, each softer than the one before, and the findings ``(n, l)`` of each."""
    chance = dict.fromkeys(FINDINGS_DRAWN, 0.0) | dict.fromkeys(COMMON, PREVALENCE)
    if patient.kind not in (USUAL, BROKEN):
        chance[patient.kind] = 1.0
    scanner = SCANNERS[patient.scanner]
    cases = [
        chest_case(
            seed=patient.seed,
            scanner=replace(scanner, blur_mm=scanner.blur_mm + 1.5 * i, noise_hu=scanner.noise_hu * 0.8**i),
            prevalence=chance,
            shape=SHAPE,
            spacing_mm=(SPACING_MM,) * 3,
        )
        for i in range(len(patient.phases_percent))
    ]
    voxels = np.stack([case.volume.voxels_hu for case in cases])
    findings = np.array([[case.findings[name] for name in FINDINGS] for case in cases], dtype=np.uint8)
    return as_kept(patient, voxels, findings)
