"""The patients of ``ctloop bench drift``: phantoms as one hospital scans them, and ten ways in which that changes.

Every patient is acquired a little differently (dose, contrast, field of view, stillness), so that a change must stand
out against what varies anyway. Six shifts have a severity, in five grades; four are other patients or another scanner,
and their grade is the share of a window that they make up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.phantom.body import Species
from components.phantom.cardiac import CardiacFrame, cardiac_case
from components.phantom.heart_variants import USUAL
from components.phantom.scanner import SCANNERS, Scanner

SHAPE, SPACING_MM = (24, 40, 40), (6.0, 4.0, 4.0)
PHASES = (0.0, 35.0)
ACQUIRED = ("kernel", "dose", "slice thickness", "contrast timing", "field of view", "motion")
MIXED = ("scanner", "species", "prevalence", "anatomy")
SHIFTS = ("kernel", "dose", "slice thickness", "contrast timing", "scanner", "species", "field of view", "prevalence",
          "anatomy", "motion")  # fmt: skip
SEVERITY_EDGES = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
SHARES = (0.06, 0.12, 0.25, 0.5, 1.0)
GRADES = 5
NONE = "none"
_NAME = list(b"ctloop bench drift")
_THICKNESS_MM = 6.0


@dataclass(frozen=True, kw_only=True)
class Draw:
    """All that a patient is made of; ``grade`` 1 to 5, 0 without a shift or of a shift whose grade is a share."""

    name: str
    seed: int
    shift: str
    grade: int
    severity: float
    scanner: Scanner
    species: Species
    variant: str

    def frames(self) -> tuple[CardiacFrame, ...]:
        return cardiac_case(
            seed=self.seed, species=self.species, scanner=self.scanner, phases_percent=PHASES, shape=SHAPE,
            spacing_mm=SPACING_MM, variant=self.variant,
        ).frames  # fmt: skip


def draw_patients(seed: int, side: str, shift: str, count: int, *, grade: int = 0) -> list[Draw]:
    """``count`` patients; another ``side``, shift or grade has other patients."""
    key = [*_NAME, seed, *side.encode(), *shift.encode(), grade]
    seeds = np.random.SeedSequence(key).generate_state(count, dtype=np.uint32)
    rng = np.random.default_rng([*key, 1])
    return [
        _draw(f"{side}-{shift}-{grade}-{i:04d}", int(own), shift, grade, rng) for i, own in enumerate(seeds)
    ]


def of_grades(seed: int, side: str, per_grade: int, per_mixed: int) -> list[Draw]:
    """Patients of every shift: ``per_grade`` of each severity, ``per_mixed`` of each that is mixed in."""
    graded = [
        draw_patients(seed, side, shift, per_grade, grade=grade)
        for shift in ACQUIRED
        for grade in range(1, GRADES + 1)
    ]
    mixed = [draw_patients(seed, side, shift, per_mixed) for shift in MIXED]
    return [draw for group in (*graded, *mixed) for draw in group]


def labelled_batches(seed: int, batches: int, patients: int) -> list[Draw]:
    """Batches whose labels were returned: each unshifted, or with one shift of one grade."""
    rng = np.random.default_rng([*_NAME, seed, 7])
    found: list[Draw] = []
    for number in range(batches):
        shift = (NONE, *SHIFTS)[number % (1 + len(SHIFTS))]
        grade = int(rng.integers(1, GRADES + 1))
        share = SHARES[grade - 1] if shift in MIXED else 1.0
        changed = round(share * patients)
        own = 0 if shift in MIXED or shift == NONE else grade
        found += draw_patients(seed, f"known{number:02d}", shift, changed, grade=own)
        found += draw_patients(seed, f"known{number:02d}", NONE, patients - changed)
    return found


def _draw(name: str, seed: int, shift: str, grade: int, rng: np.random.Generator) -> Draw:
    low, high = SEVERITY_EDGES[max(grade - 1, 0) : max(grade - 1, 0) + 2]
    severity = float(rng.uniform(low, high)) if grade else float(shift != NONE)
    scanner = _protocol(rng, SCANNERS["reference-b" if rng.random() < 0.3 else "reference"])
    illness = rng.random()
    variant = "dilated_left_ventricle" if illness < 0.05 else "small_heart" if illness < 0.08 else USUAL
    if shift == "prevalence":
        variant = "dilated_left_ventricle"
    if shift == "anatomy":
        variant = "small_heart"
    return Draw(
        name=name, seed=seed, shift=shift, grade=grade, severity=severity,
        scanner=_changed(scanner, shift, severity, rng), variant=variant,
        species="porcine" if shift == "species" else "human",
    )  # fmt: skip


def _protocol(rng: np.random.Generator, scanner: Scanner) -> Scanner:
    """As it varies from patient to patient."""
    return replace(
        scanner,
        slice_thickness_mm=_THICKNESS_MM,
        noise_hu=scanner.noise_hu * float(rng.lognormal(0, 0.12)),
        contrast_delay_s=float(rng.gamma(2.0, 1.5)),
        field_of_view=float(np.clip(rng.normal(1, 0.05), 0.85, 1.15)),
        motion_mm=float(abs(rng.normal(0, 1.5))),
        hu_offset=float(rng.normal(0, 3)),
    )


def _changed(scanner: Scanner, shift: str, severity: float, rng: np.random.Generator) -> Scanner:
    match shift:
        case "kernel":
            return replace(
                scanner, kernel="sharp", blur_mm=scanner.blur_mm - 1.2 * severity, sharpening=1.6 * severity,
                texture_mm=scanner.texture_mm - 1.1 * severity,
            )  # fmt: skip
        case "dose":
            return replace(scanner, dose=1.0 / (1.0 + 8.0 * severity))
        case "slice thickness":
            return replace(scanner, slice_thickness_mm=_THICKNESS_MM + 12.0 * severity)
        case "contrast timing":
            return replace(scanner, contrast_delay_s=scanner.contrast_delay_s + 35.0 * severity)
        case "scanner":
            return _protocol_of_another(rng)
        case "field of view":
            return replace(scanner, field_of_view=scanner.field_of_view * (1.0 + 0.5 * severity))
        case "motion":
            return replace(scanner, motion_mm=scanner.motion_mm + 20.0 * severity)
    return scanner


def _protocol_of_another(rng: np.random.Generator) -> Scanner:
    own = _protocol(rng, SCANNERS["sharp"])
    return replace(own, hu_offset=own.hu_offset + 12.0)


def acquisition_of(draws: Sequence[Draw]) -> list[dict[str, object]]:
    """What the headers of each patient's files say."""
    return [
        {
            "site": draw.scanner.site,
            "manufacturer": draw.scanner.manufacturer,
            "model": draw.scanner.model,
            "kernel": draw.scanner.kernel,
            "kvp": draw.scanner.kvp,
            "slice_thickness_mm": round(draw.scanner.slice_thickness_mm, 1),
            **{
                f"spacing_{axis}_mm": round(step * draw.scanner.field_of_view, 3)
                for axis, step in zip("zyx", SPACING_MM, strict=True)
            },
        }
        for draw in draws
    ]
