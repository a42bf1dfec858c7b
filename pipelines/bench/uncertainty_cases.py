"""The patients of ``ctloop bench uncertainty``: phantoms, and five ways to be unlike the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.phantom.body import Species
from components.phantom.cardiac import CardiacFrame, cardiac_case
from components.phantom.scanner import SCANNERS, Scanner

SIDE, SPACING_MM = 32, 6.0
PHASES = (0.0, 35.0)
SHIFTS = ("noise", "kernel", "contrast timing", "anatomy", "motion artefact")
TRAINED_ON = ("reference", "reference-b")
_NAME = list(b"ctloop bench uncertainty")


@dataclass(frozen=True, kw_only=True, eq=False)
class Patient:
    """One cine with its truth; ``severity`` of the ``shift`` in [0, 1]."""

    name: str
    shift: str
    severity: float
    frames: Sequence[CardiacFrame]


def training_patients(seed: int, count: int) -> list[Patient]:
    """Humans on the two scanners of the training."""
    return [
        _patient(f"train-{i:02d}", "none", 0.0, own, "human", SCANNERS[TRAINED_ON[i % 2]])
        for i, own in enumerate(_seeds(seed, "train", count))
    ]


def shifted_patients(seed: int, side: str, per_shift: int) -> list[Patient]:
    """``per_shift`` patients of each shift, its severity drawn anew for each; another ``side`` has other patients."""
    seeds = _seeds(seed, side, per_shift * len(SHIFTS))
    severities = np.random.default_rng([*_NAME, seed, *side.encode(), 1]).uniform(0, 1, len(seeds))
    made = []
    for i, (own, severity) in enumerate(zip(seeds, severities, strict=True)):
        shift = SHIFTS[i % len(SHIFTS)]
        species: Species = "porcine" if shift == "anatomy" else "human"
        scanner = _shifted(shift, float(severity), sharp=bool(i // len(SHIFTS) % 2))
        made.append(_patient(f"{side}-{i:02d}", shift, float(severity), own, species, scanner))
    return made


def _shifted(shift: str, severity: float, *, sharp: bool) -> Scanner:
    """A training scanner, changed: mild changes are harmless, and the strongest ones spoil a scan."""
    base = SCANNERS["reference"]
    if shift == "noise":
        return replace(base, noise_hu=20.0 + 160.0 * severity)
    if shift == "kernel" and sharp:
        return replace(base, blur_mm=0.8, sharpening=5.0 * severity, texture_mm=0.5, noise_hu=30.0)
    if shift == "kernel":
        return replace(base, blur_mm=3.0 + 15.0 * severity)
    if shift == "contrast timing":
        return replace(base, contrast_delay_s=50.0 * severity)
    if shift == "anatomy":  # another species, of a size that the training never saw
        return replace(base, field_of_view=1.0 + (0.3 if sharp else -0.25) * severity)
    return replace(base, motion_mm=30.0 * severity)


def frame_table(patients: Sequence[Patient]) -> pd.DataFrame:
    """Rows as frames.parquet has them."""
    return pd.DataFrame(
        {
            "frame_id": frame_name(patient, i),
            "case_id": patient.name,
            "patient_id": patient.name,
            "batch": patient.shift,
            "phase_percent": frame.phase_percent,
        }
        for patient in patients
        for i, frame in enumerate(patient.frames)
    )


def frame_name(patient: Patient, index: int) -> str:
    return f"{patient.name}-{index}"


def labelled(patients: Sequence[Patient]) -> list[LabeledFrame]:
    """Every frame with its truth, as training reads it."""
    return [
        LabeledFrame(
            frame_id=frame_name(patient, i),
            patient_id=patient.name,
            provenance="expert",
            shape=frame.volume.geometry.shape,
            read_hu=in_memory(frame.volume.voxels_hu),
            read_labels=in_memory(frame.labels.labels),
            foreground=sample_foreground(frame.labels.labels, np.random.default_rng(i)),
        )
        for patient in patients
        for i, frame in enumerate(patient.frames)
    ]


def _seeds(seed: int, side: str, count: int) -> list[int]:
    drawn = np.random.SeedSequence([*_NAME, seed, *side.encode()]).generate_state(count, dtype=np.uint32)
    return [int(own) for own in drawn]


def _patient(
    name: str, shift: str, severity: float, seed: int, species: Species, scanner: Scanner
) -> Patient:
    case = cardiac_case(
        seed=seed, species=species, scanner=scanner, phases_percent=PHASES,
        shape=(SIDE, SIDE, SIDE), spacing_mm=(SPACING_MM, SPACING_MM, SPACING_MM),
    )  # fmt: skip
    return Patient(name=name, shift=shift, severity=severity, frames=case.frames)
