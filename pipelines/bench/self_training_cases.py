"""The second domain of ``ctloop bench self-training``: porcine phantoms on three scanners, and their pseudo-labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.cohort.structures import HEART_STRUCTURES
from components.errors import TeacherError
from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.models.teacher import Teacher
from components.phantom.body import Species
from components.phantom.cardiac import CardiacFrame, cardiac_case
from components.phantom.scanner import SCANNERS
from components.volume.volume import LabelMap

Labels = npt.NDArray[np.uint8]
FOLDER = Path(__file__).parents[1] / "teacher" / "human_heart_ct"
SPECIES: Species = "porcine"  # the teacher was made from human phantoms
SITES = ("reference", "reference-b", "sharp")
SIDE, SPACING_MM = 48, 4.0
_NAME = list(b"ctloop bench self-training")


@dataclass(frozen=True, kw_only=True, eq=False)
class Patient:
    """One cine with its truth."""

    name: str
    scanner: str
    frames: Sequence[CardiacFrame]


def patients(seed: int, side: str, count: int, phases_percent: tuple[float, ...]) -> list[Patient]:
    """``count`` patients, the scanners in turn; another ``side`` (training, test) has other patients."""
    drawn = np.random.SeedSequence([*_NAME, seed, len(side)]).generate_state(count, dtype=np.uint32)
    return [
        Patient(
            name=f"{side}-{i:02d}",
            scanner=SITES[i % len(SITES)],
            frames=cardiac_case(
                seed=int(own),  # below 2**32: none of the teacher's patients
                species=SPECIES,
                scanner=SCANNERS[SITES[i % len(SITES)]],
                phases_percent=phases_percent,
                shape=(SIDE, SIDE, SIDE),
                spacing_mm=(SPACING_MM, SPACING_MM, SPACING_MM),
            ).frames,
        )
        for i, own in enumerate(drawn)
    ]


def even_phases(count: int) -> tuple[float, ...]:
    """``count`` phases at even steps of the R-R interval."""
    return tuple(100.0 * i / count for i in range(count))


def shipped_teacher() -> Teacher:
    """The bundle that ctloop ships, frozen before any student exists."""
    from components.adapters.monai_bundle import bundle_sha256, open_bundle
    from components.models.teacher_labels import TeacherLabels

    labels = TeacherLabels(
        to_structure={name: name for name in HEART_STRUCTURES}, structures=HEART_STRUCTURES
    )
    return open_bundle(FOLDER, trusted_sha256=bundle_sha256(FOLDER), labels=labels, threads=1)


def labelled_by(
    teacher: Teacher, cases: Sequence[Patient], progress: Callable[[int, int], None] | None = None
) -> dict[str, Labels]:
    """Frame id → the teacher's labels; where it fails, all background. As many frames at once as there are cores."""
    named = [(frame_name(patient, i), frame) for patient in cases for i, frame in enumerate(patient.frames)]
    result: dict[str, Labels] = {}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        said = threads.map(lambda one: _label(teacher, one[1]), named)
        for (name, _), labels in zip(named, said, strict=True):
            result[name] = labels
            if progress is not None:
                progress(len(result), len(named))
    return result


def _label(teacher: Teacher, frame: CardiacFrame) -> Labels:
    try:
        return teacher.label(frame.volume).labels
    except TeacherError:
        return np.zeros(frame.labels.labels.shape, dtype=np.uint8)


def frame_name(patient: Patient, index: int) -> str:
    return f"{patient.name}-{index:02d}"


def taught(cases: Sequence[Patient], labels: dict[str, Labels]) -> list[LabeledFrame]:
    """The frames with pseudo-labels; those without any structure are left out, as the stage leaves them out."""
    frames = [
        _labeled(patient, i, frame, labels[frame_name(patient, i)], "pseudo")
        for patient in cases
        for i, frame in enumerate(patient.frames)
    ]
    return [frame for frame in frames if frame.foreground]


def expert_labelled(cases: Sequence[Patient], frames: Sequence[int] | None = None) -> list[LabeledFrame]:
    """The frames with their truth: all, or those of these numbers."""
    return [
        _labeled(patient, i, frame, frame.labels.labels, "expert")
        for patient in cases
        for i, frame in enumerate(patient.frames)
        if frames is None or i in frames
    ]


def poisoned(labels: dict[str, Labels], generator: np.random.Generator) -> dict[str, Labels]:
    """The labels of a teacher that swaps the two ventricles in a third of its frames."""
    names = sorted(labels)
    chosen = set(generator.permutation(names)[: len(names) // 3].tolist())
    swap = np.arange(256, dtype=np.uint8)
    swap[[1, 2]] = [2, 1]
    return {name: swap[labels[name]] if name in chosen else labels[name] for name in names}


def _labeled(
    patient: Patient, index: int, frame: CardiacFrame, labels: Labels, provenance: str
) -> LabeledFrame:
    return LabeledFrame(
        frame_id=frame_name(patient, index),
        patient_id=patient.name,
        provenance=provenance,
        shape=(SIDE, SIDE, SIDE),
        read_hu=in_memory(frame.volume.voxels_hu),
        read_labels=in_memory(labels),
        foreground=sample_foreground(labels, np.random.default_rng(index)),
    )


def as_map(frame: CardiacFrame, labels: Labels) -> LabelMap:
    """Labels on the frame's grid."""
    return replace(frame.labels, labels=labels)
