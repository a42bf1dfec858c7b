"""Job: write a batch of phantom scans as a hospital would hand it over, and beside it the true answers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from components.adapters.nifti_writer import write_nifti_labels, write_nifti_volume
from components.adapters.whole_file import write_whole
from components.cohort.frame_id import frame_id
from components.cohort.task import Task
from components.errors import ParameterError, StateError
from components.phantom.body import Species
from components.phantom.cardiac import CardiacFrame, cardiac_case
from components.phantom.chest import FINDINGS_DRAWN, chest_case
from components.phantom.scanner import SCANNERS, Scanner

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]
Row = Mapping[str, str | int | float]
FIRST_DAY = date(2025, 1, 6)


def write_cardiac_batch(
    folder: Path,
    *,
    seed: int,
    patients: int,
    species: Species,
    scanners: Sequence[str],
    phases_percent: tuple[float, ...],
    shape: Shape,
    spacing_mm: Spacing,
    first_day: date = FIRST_DAY,
) -> None:
    """Write ``patients`` cines: ``folder/images/CASE__phase-PPP.nii.gz`` and ``folder/cases.csv``.

    The true label maps go to ``folder-truth/``, named as the images. The seed fixes the anatomies and which
    of ``scanners`` each patient met; patients are scanned on successive days from ``first_day``. What exists
    already is not drawn again. Raises ``ParameterError`` for a scanner that does not exist.
    """
    _check_scanners(scanners)
    _check_recipe(folder, ["cardiac", seed, species, list(scanners), phases_percent, shape, spacing_mm])
    rows: list[Row] = []
    for number in tqdm(range(1, patients + 1), desc=f"{folder.name}: hearts", unit="patient", disable=None):
        draw, scanner = _patient(seed, number, scanners)
        patient = f"{species}-{seed}-{number:04d}"
        names = [frame_id(patient, phase) for phase in phases_percent]
        if not _complete([p for name in names for p in (_image(folder, name), _truth(folder, name))]):
            case = cardiac_case(
                seed=draw, species=species, scanner=SCANNERS[scanner], phases_percent=phases_percent,
                shape=shape, spacing_mm=spacing_mm,
            )  # fmt: skip
            for name, frame in zip(names, case.frames, strict=True):
                _write_frame(folder, name, frame)
        day = first_day + timedelta(days=number - 1)
        rows += [
            _row(name, patient, "segmentation", SCANNERS[scanner], day, phase=f"{phase:g}")
            for name, phase in zip(names, phases_percent, strict=True)
        ]
    write_table(folder / "cases.csv", rows)


def write_chest_batch(
    folder: Path,
    *,
    seed: int,
    patients: int,
    scanners: Sequence[str],
    shape: Shape,
    spacing_mm: Spacing,
    with_findings: bool,
    prevalence: Mapping[str, float] | None = None,
    first_day: date = FIRST_DAY,
) -> None:
    """Write ``patients`` chest scans: ``folder/images/CASE.nii.gz`` and ``folder/cases.csv``.

    The findings go to ``folder-truth/findings.csv`` and, if ``with_findings``, into ``cases.csv`` too.
    Otherwise as ``write_cardiac_batch``.
    """
    _check_scanners(scanners)
    _check_recipe(
        folder, ["chest", seed, list(scanners), shape, spacing_mm, sorted((prevalence or {}).items())]
    )
    rows: list[Row] = []
    known = _earlier_answers(folder)
    for number in tqdm(range(1, patients + 1), desc=f"{folder.name}: chests", unit="patient", disable=None):
        draw, scanner = _patient(seed, number, scanners)
        patient = f"chest-{seed}-{number:04d}"
        if not (patient in known and _image(folder, patient).is_file()):
            case = chest_case(
                seed=draw,
                scanner=SCANNERS[scanner],
                prevalence=prevalence,
                shape=shape,
                spacing_mm=spacing_mm,
            )
            write_nifti_volume(_image(folder, patient), case.volume)
            known[patient] = case.findings
            answers: list[Row] = [{"case_id": name, **found} for name, found in sorted(known.items())]
            write_table(_truth_folder(folder) / "findings.csv", answers)
        day = first_day + timedelta(days=number - 1)
        row = _row(patient, patient, "classification", SCANNERS[scanner], day, phase="")
        rows.append({**row, **known[patient]} if with_findings else row)
    write_table(folder / "cases.csv", rows)


def _check_scanners(names: Sequence[str]) -> None:
    for name in names or [""]:
        if name not in SCANNERS:
            raise ParameterError(expected="a phantom scanner", got=repr(name), hint=" or ".join(SCANNERS))


def _check_recipe(folder: Path, recipe: list[Any]) -> None:
    """Remember beside the truth what the batch was made from, and refuse to go on with something else."""
    path = _truth_folder(folder) / ".recipe.json"
    text = json.dumps(recipe) + "\n"
    if path.is_file() and path.read_text() != text:
        raise StateError(
            expected=f"a batch {folder.name} of the same seed and settings, or none",
            got="one made with others",
            hint="another folder",
        )
    write_whole(path, text)


def _patient(seed: int, number: int, scanners: Sequence[str]) -> tuple[int, str]:
    """The seed of one patient's anatomy and the name of the scanner that the patient met."""
    anatomy, choice = np.random.SeedSequence([seed, number]).generate_state(2, np.uint32)
    return int(anatomy), scanners[int(choice) % len(scanners)]


def _truth_folder(folder: Path) -> Path:
    return folder.with_name(folder.name + "-truth")


def _image(folder: Path, name: str) -> Path:
    return folder / "images" / f"{name}.nii.gz"


def _truth(folder: Path, name: str) -> Path:
    return _truth_folder(folder) / f"{name}.nii.gz"


def _complete(paths: Iterable[Path]) -> bool:
    """Whether all exist; files are written atomically, so one that exists is whole."""
    return all(path.is_file() for path in paths)


def _write_frame(folder: Path, name: str, frame: CardiacFrame) -> None:
    if not _truth(folder, name).is_file():
        write_nifti_labels(_truth(folder, name), frame.labels)
    if not _image(folder, name).is_file():
        write_nifti_volume(_image(folder, name), frame.volume)


def _row(image: str, patient: str, task: Task, scanner: Scanner, day: date, *, phase: str) -> Row:
    return {
        "path": f"images/{image}.nii.gz",
        "patient": patient,
        "task": task,
        "case": patient,
        "site": scanner.site,
        "manufacturer": scanner.manufacturer,
        "model": scanner.model,
        "kernel": scanner.kernel,
        "kvp": f"{scanner.kvp:g}",
        "slice_thickness_mm": f"{scanner.slice_thickness_mm:g}",
        "phase": phase,
        "acquired_at": day.isoformat(),
    }


def _earlier_answers(folder: Path) -> dict[str, dict[str, int]]:
    """Findings that an earlier, perhaps interrupted, run has already written."""
    path = _truth_folder(folder) / "findings.csv"
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {
            row["case_id"]: {name: int(row[name]) for name in FINDINGS_DRAWN} for row in csv.DictReader(file)
        }


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write a CSV atomically; the columns are those of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["path"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
