"""A 4D cardiac CT: one patient, the phases of one beat, and their true label maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.cohort.structures import HEART_LABELS
from components.phantom.body import Body, Species, draw_body
from components.phantom.canvas import Canvas, Grid
from components.phantom.heart_anatomy import HeartAnatomy, draw_enhancement, draw_heart
from components.phantom.heart_painting import HeartTexture, paint_heart
from components.phantom.heart_shapes import heart_at
from components.phantom.heart_variants import MIRRORED, USUAL, variant_blood, variant_of
from components.phantom.scanner import Scanner, acquire
from components.phantom.thorax import paint_thorax
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

TEN_PHASES: tuple[float, ...] = tuple(float(p) for p in range(0, 100, 10))
_SPECIES_CODE: dict[Species, int] = {"human": 1, "porcine": 2}


@dataclass(frozen=True, kw_only=True, eq=False)
class CardiacFrame:
    """One phase: the volume and its seven structures, on one grid."""

    phase_percent: float
    volume: Volume
    labels: LabelMap


@dataclass(frozen=True, kw_only=True, eq=False)
class CardiacCase:
    """The frames of one beat and the anatomy they were drawn from."""

    frames: tuple[CardiacFrame, ...]
    heart: HeartAnatomy
    body: Body


def cardiac_case(
    *,
    seed: int,
    species: Species,
    scanner: Scanner,
    phases_percent: tuple[float, ...] = TEN_PHASES,
    shape: tuple[int, int, int] = (96, 96, 96),
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0),
    variant: str = USUAL,
) -> CardiacCase:
    """Draw a patient of ``species`` and scan the beating heart at ``phases_percent`` of R-R.

    The anatomy depends on ``seed`` and ``species`` only: another scanner sees the same patient. The volume is
    an LPS grid of ``shape`` centred on the heart; ``scanner.field_of_view`` multiplies ``spacing_mm``.
    ``variant`` is one of ``heart_variants.VARIANTS``; all that it does not change stays as drawn.
    """
    anatomy_rng, thorax_rng, warp_rng, contrast_rng, scan_rng, variant_rng = _streams(seed, species)
    body, heart = draw_body(anatomy_rng, species), draw_heart(anatomy_rng, species)
    heart = variant_of(variant, heart, variant_rng)
    geometry = _geometry(heart, shape, spacing_mm, scanner)
    grid = Grid.of(geometry, warp_mm=1.3, length_mm=36.0, rng=warp_rng)
    still = Canvas.blank(grid)
    blood = variant_blood(variant, draw_enhancement(contrast_rng, species, scanner), variant_rng)
    paint_thorax(still, body, 0.8 * blood.pulmonary_hu, thorax_rng)
    texture = HeartTexture.of(grid, warp_rng)
    frames = []
    for phase, rng in zip(phases_percent, scan_rng.spawn(len(phases_percent)), strict=True):
        canvas = still.copy()
        paint_heart(canvas, heart_at(grid, heart, body, phase), heart, blood, texture)
        frames.append(_frame(_turned_over(canvas) if variant == MIRRORED else canvas, phase, scanner, rng))
    return CardiacCase(frames=tuple(frames), heart=heart, body=body)


def _streams(seed: int, species: Species) -> list[np.random.Generator]:
    root = np.random.SeedSequence([seed, _SPECIES_CODE[species]])
    return [np.random.default_rng(child) for child in root.spawn(6)]


def _geometry(
    heart: HeartAnatomy,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    scanner: Scanner,
) -> Geometry:
    z, y, x = (float(step * scanner.field_of_view) for step in spacing_mm)
    centre = heart.world(14, 0, 22) + np.array([0, 8, 10])
    extent = np.array([(shape[2] - 1) * x, (shape[1] - 1) * y, (shape[0] - 1) * z])
    origin = centre - extent / 2
    return Geometry.axis_aligned(shape, (z, y, x), (float(origin[0]), float(origin[1]), float(origin[2])))


def _turned_over(canvas: Canvas) -> Canvas:
    """Left and right changed."""
    return Canvas(grid=canvas.grid, hu=canvas.hu[:, :, ::-1].copy(), labels=canvas.labels[:, :, ::-1].copy())


def _frame(canvas: Canvas, phase: float, scanner: Scanner, rng: np.random.Generator) -> CardiacFrame:
    geometry = canvas.grid.geometry
    return CardiacFrame(
        phase_percent=float(phase),
        volume=Volume(voxels_hu=acquire(canvas.hu, geometry.spacing_mm, scanner, rng), geometry=geometry),
        labels=LabelMap(labels=canvas.labels, geometry=geometry, names=HEART_LABELS),
    )
