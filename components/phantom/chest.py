"""A 3D chest CT with findings, each drawn or not by its own stream, so that one never changes another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from components.errors import ParameterError
from components.phantom import heart_findings, lung_findings
from components.phantom.body import draw_body
from components.phantom.canvas import Canvas, Grid
from components.phantom.chest_scene import ChestScene
from components.phantom.heart_anatomy import Enhancement, draw_heart
from components.phantom.heart_painting import HeartTexture, paint_heart
from components.phantom.heart_shapes import coronary_paths, heart_at
from components.phantom.scanner import Scanner, acquire
from components.phantom.thorax import paint_thorax
from components.volume.geometry import Geometry
from components.volume.volume import Volume

Draw = Callable[[ChestScene, np.random.Generator], None]

_OVER_THE_LUNGS: dict[str, Draw] = {
    "emphysema": lung_findings.draw_emphysema,
    "lung_opacity": lung_findings.draw_lung_opacity,
    "interlobular_septal_thickening": lung_findings.draw_interlobular_septal_thickening,
    "lung_nodule": lung_findings.draw_lung_nodule,
    "consolidation": lung_findings.draw_consolidation,
    "atelectasis": lung_findings.draw_atelectasis,
    "pleural_effusion": lung_findings.draw_pleural_effusion,
    "hiatal_hernia": heart_findings.draw_hiatal_hernia,
    "pericardial_effusion": heart_findings.draw_pericardial_effusion,
}
_OVER_THE_HEART: dict[str, Draw] = {
    "coronary_artery_wall_calcification": heart_findings.draw_coronary_artery_wall_calcification,
    "arterial_wall_calcification": heart_findings.draw_arterial_wall_calcification,
    "medical_material": heart_findings.draw_medical_material,
}
FINDINGS_DRAWN: tuple[str, ...] = ("cardiomegaly", *_OVER_THE_LUNGS, *_OVER_THE_HEART)
PREVALENCE = 0.35


@dataclass(frozen=True, kw_only=True, eq=False)
class ChestCase:
    """One scan and its findings, 0 or 1 for every name of ``FINDINGS_DRAWN``."""

    volume: Volume
    findings: dict[str, int]


def chest_case(
    *,
    seed: int,
    scanner: Scanner,
    prevalence: Mapping[str, float] | None = None,
    shape: tuple[int, int, int] = (96, 128, 128),
    spacing_mm: tuple[float, float, float] = (3.0, 3.0, 3.0),
) -> ChestCase:
    """Draw a patient, each finding with its ``prevalence`` (default ``PREVALENCE``), and scan the chest.

    The patient depends on ``seed`` only; changing one prevalence changes that finding and nothing else.
    Raises ``ParameterError`` for a finding that is not drawn.
    """
    present = draw_findings(seed, prevalence or {})
    anatomy_rng, thorax_rng, warp_rng, blood_rng, scan_rng, _, *finding_rngs = _streams(seed)
    rngs = dict(zip(FINDINGS_DRAWN, finding_rngs, strict=True))
    body, heart = draw_body(anatomy_rng, "human"), draw_heart(anatomy_rng, "human")
    if present["cardiomegaly"]:
        heart = heart_findings.with_cardiomegaly(heart, rngs["cardiomegaly"])
    grid = Grid.of(_geometry(shape, spacing_mm, scanner), warp_mm=1.5, length_mm=40.0, rng=warp_rng)
    canvas = Canvas.blank(grid)
    blood, phase = _blood(blood_rng), float(anatomy_rng.uniform(50, 90))
    fields = paint_thorax(canvas, body, blood.pulmonary_hu, thorax_rng)
    solids = heart_at(grid, heart, body, phase)
    coronaries = coronary_paths(heart, phase)
    scene = ChestScene(
        canvas=canvas, body=body, fields=fields, heart=heart, solids=solids, coronaries=coronaries
    )
    _draw(_OVER_THE_LUNGS, scene, present, rngs)
    paint_heart(canvas, solids, heart, blood, HeartTexture.of(grid, warp_rng))
    _draw(_OVER_THE_HEART, scene, present, rngs)
    voxels = acquire(canvas.hu, grid.geometry.spacing_mm, scanner, scan_rng)
    return ChestCase(volume=Volume(voxels_hu=voxels, geometry=grid.geometry), findings=present)


def draw_findings(seed: int, prevalence: Mapping[str, float]) -> dict[str, int]:
    """Which findings the patient of ``seed`` has; see ``chest_case``."""
    chance = _prevalences(prevalence)
    draws = _streams(seed)[5].random(len(chance))
    return {name: int(draw < chance[name]) for name, draw in zip(chance, draws, strict=True)}


def _prevalences(given: Mapping[str, float]) -> dict[str, float]:
    for name in given:
        if name not in FINDINGS_DRAWN:
            raise ParameterError(
                expected="a finding that the phantom draws",
                got=name,
                hint=f"one of {', '.join(FINDINGS_DRAWN)}",
            )
    return {name: float(given.get(name, PREVALENCE)) for name in FINDINGS_DRAWN}


def _streams(seed: int) -> list[np.random.Generator]:
    root = np.random.SeedSequence([seed, 3])
    return [np.random.default_rng(child) for child in root.spawn(6 + len(FINDINGS_DRAWN))]


def _geometry(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], scanner: Scanner
) -> Geometry:
    z, y, x = (float(step * scanner.field_of_view) for step in spacing_mm)
    origin = (
        np.array([0.0, 8.0, 22.0])
        - np.array([(shape[2] - 1) * x, (shape[1] - 1) * y, (shape[0] - 1) * z]) / 2
    )
    return Geometry.axis_aligned(shape, (z, y, x), (float(origin[0]), float(origin[1]), float(origin[2])))


def _blood(rng: np.random.Generator) -> Enhancement:
    """A plain or faintly enhanced chest CT, as most chest CTs are."""
    blood = float(rng.choice([42.0, 42.0, 110.0]) * rng.normal(1, 0.08))
    return Enhancement(
        left_hu=blood,
        right_hu=blood + 4,
        right_atrium_hu=blood,
        pulmonary_hu=blood + 4,
        myocardium_hu=52 + 0.2 * blood,
    )


def _draw(
    draws: Mapping[str, Draw],
    scene: ChestScene,
    present: Mapping[str, int],
    rngs: Mapping[str, np.random.Generator],
) -> None:
    for name, draw in draws.items():
        if present[name]:
            draw(scene, rngs[name])
