"""One scanned frame as a row of frames.parquet: the place where identifiers end."""

from __future__ import annotations

from typing import Any

from components.cohort.cases_table import CaseRow, merged
from components.cohort.frame_id import frame_id
from components.cohort.pseudonym import pseudonym
from components.cohort.scan import ScannedFrame
from components.errors import InputError
from components.volume.digest import volume_sha256


def frame_row(frame: ScannedFrame, row: CaseRow | None, *, batch: str, key: bytes) -> dict[str, Any]:
    """The columns of ``components.cohort.frames`` for ``frame``.

    A case is one series, or the reconstruction whose phases several series hold; two kernels of a patient
    are two cases of one patient. Who cannot be told from the file or the table is a patient of its own.
    Patient, case and source leave as pseudonyms, also where the table states them.

    Args:
        frame: as read.
        row: the line of cases.csv that names its file, if any; what it states overrules the file.
        batch: that the frame came with.
        key: of the pseudonyms.
    """
    row = row or CaseRow(line=0, path=frame.source)
    case = pseudonym(key, "case", _case_name(frame, row, batch))
    phase = _phase(frame, row)
    acquisition = merged(frame.acquisition, row.acquisition)
    geometry = frame.volume.geometry
    return {
        "frame_id": frame_id(case, phase),
        "case_id": case,
        "patient_id": pseudonym(key, "patient", _patient_name(frame, row, batch)),
        "batch": batch,
        "phase_percent": phase,
        **vars(acquisition),
        **dict(zip(("spacing_z_mm", "spacing_y_mm", "spacing_x_mm"), geometry.spacing_mm, strict=True)),
        **dict(zip(("shape_z", "shape_y", "shape_x"), geometry.shape, strict=True)),
        "orientation": geometry.orientation,
        "sha256": volume_sha256(frame.volume),
        "source": pseudonym(key, "source", f"{batch}/{frame.source}"),
    }


def _patient_name(frame: ScannedFrame, row: CaseRow, batch: str) -> str:
    if row.patient:
        return row.patient
    if frame.patient_key:
        return frame.patient_key
    return f"{batch}/{row.case or frame.case_key}"


def _case_name(frame: ScannedFrame, row: CaseRow, batch: str) -> str:
    """A stated case is its patient's; a series names itself everywhere; a file only within its batch."""
    if row.case:
        return f"{_patient_name(frame, row, batch)}/{row.case}"
    return frame.case_key if frame.patient_key else f"{batch}/{frame.case_key}"


def _phase(frame: ScannedFrame, row: CaseRow) -> float | None:
    if not row.phases:
        return frame.phase_percent
    if frame.index >= len(row.phases):
        raise InputError(
            expected=f"a phase for each frame (cases.csv, row {row.line}, column 'phase')",
            got=f"{len(row.phases)} phases, and frame number {frame.index + 1}",
            hint="as many percentages as the file has frames",
        )
    return row.phases[frame.index]
