"""What one DICOM file says about its slice, without its pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from components.adapters.unreadable import reason_of
from components.cohort.cardiac_phase import PhaseAttributes
from components.cohort.patient_age import age_between, age_string, coarse_age
from components.cohort.scan import Acquisition, Rejected

_TAGS = [
    "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "Modality", "ImageType",
    "SeriesDescription", "StudyDate", "AcquisitionDate", "Manufacturer", "ManufacturerModelName",
    "ConvolutionKernel", "KVP", "SliceThickness", "GantryDetectorTilt", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames",
    "NominalPercentageOfCardiacPhase", "TriggerTime", "NominalInterval", "HeartRate",
    "TemporalPositionIdentifier", "PatientSex", "PatientAge", "PatientBirthDate",
]  # fmt: skip
_PLACE_MM = 0.01


@dataclass(frozen=True, kw_only=True)
class SliceHeader:
    """One slice; identifiers stay inside the reader, out of every ``repr``.

    Args:
        file: relative to the batch folder.
        position, orientation, spacing: as in ``SliceStack``; ``None`` when missing or not finite.
        frames: Number of Frames, 1 for a classic slice.
        samples: Samples per Pixel.
    """

    file: str = field(repr=False)
    sop_uid: str = field(repr=False)
    study_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    patient_id: str = field(repr=False)
    description: str = field(repr=False)
    modality: str
    image_type: tuple[str, ...]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    rows: int
    columns: int
    samples: int
    frames: int
    tilt_degrees: float
    slice_thickness: float | None
    nominal_percent: float | None
    trigger_ms: float | None
    interval_ms: float | None
    temporal_index: int | None
    acquisition: Acquisition

    @property
    def is_localizer(self) -> bool:
        """Whether Image Type says so (PS3.3 C.8.2.1.1.1); scouts have no place in a stack."""
        return bool({"LOCALIZER", "SCOUT"} & set(self.image_type))

    def phase_attributes(self, normal: npt.NDArray[np.float64]) -> PhaseAttributes:
        """What this slice says about its cardiac phase; ``normal`` is the stack's."""
        along = float(np.dot(np.array(self.position or (0.0, 0.0, 0.0)), normal))
        return PhaseAttributes(
            nominal_percent=self.nominal_percent,
            description=self.description,
            trigger_ms=self.trigger_ms,
            interval_ms=self.interval_ms,
            temporal_index=self.temporal_index,
            place=round(along / _PLACE_MM) * _PLACE_MM,
        )


@contextmanager
def discreet() -> Iterator[None]:
    """Without pydicom's warnings: they quote the values, identifiers among them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(root: Path, file: str) -> SliceHeader | Rejected:
    """The header of ``root / file``, or why there is none."""
    try:
        with discreet():
            dataset: Any = pydicom.dcmread(root / file, stop_before_pixels=True, specific_tags=_TAGS)
    except Exception as error:  # broad as below
        return Rejected(source=file, reason=f"unreadable DICOM header ({type(error).__name__})")
    try:
        with discreet():
            return _header(file, dataset)
    except Exception as error:
        # pydicom decodes a value when it is asked for, and a damaged one raises anything from struct.error to
        # NotImplementedError; no such file may stop a batch
        return Rejected(source=file, reason=f"broken values in the DICOM header: {reason_of(error)}")


def _header(file: str, dataset: Any) -> SliceHeader:
    rate = _number(dataset, "HeartRate")
    temporal = _number(dataset, "TemporalPositionIdentifier")
    image_type = dataset.get("ImageType") or []
    return SliceHeader(
        file=file,
        sop_uid=_text(dataset, "SOPInstanceUID"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        series_uid=_text(dataset, "SeriesInstanceUID"),
        patient_id=_text(dataset, "PatientID"),
        description=_text(dataset, "SeriesDescription"),
        modality=_text(dataset, "Modality"),
        image_type=(image_type,) if isinstance(image_type, str) else tuple(str(v) for v in image_type),
        position=_numbers(dataset, "ImagePositionPatient", 3),
        orientation=_numbers(dataset, "ImageOrientationPatient", 6),
        spacing=_numbers(dataset, "PixelSpacing", 2),
        rows=int(dataset.get("Rows") or 0),
        columns=int(dataset.get("Columns") or 0),
        samples=int(dataset.get("SamplesPerPixel") or 1),
        frames=int(dataset.get("NumberOfFrames") or 1),
        tilt_degrees=_number(dataset, "GantryDetectorTilt") or 0.0,
        slice_thickness=_number(dataset, "SliceThickness"),
        nominal_percent=_number(dataset, "NominalPercentageOfCardiacPhase"),
        trigger_ms=_number(dataset, "TriggerTime"),
        interval_ms=_number(dataset, "NominalInterval") or (60_000.0 / rate if rate else None),
        temporal_index=None if temporal is None else int(temporal),
        acquisition=_acquisition(dataset),
    )


def _acquisition(dataset: Any) -> Acquisition:
    """Without the institution: only a cases table names the site."""
    kernel = dataset.get("ConvolutionKernel") or ""
    acquired_at = _date(_text(dataset, "AcquisitionDate") or _text(dataset, "StudyDate"))
    return Acquisition(
        manufacturer=_text(dataset, "Manufacturer"),
        model=_text(dataset, "ManufacturerModelName"),
        kernel=kernel if isinstance(kernel, str) else "/".join(str(part) for part in kernel),
        kvp=_number(dataset, "KVP"),
        slice_thickness_mm=_number(dataset, "SliceThickness"),
        acquired_at=acquired_at,
        sex=_sex(dataset),
        age_years=_age(dataset, acquired_at),
    )


def _sex(dataset: Any) -> str:
    """Patient's Sex (PS3.3 C.7.1.1); empty where it is not one of its three codes."""
    code = _said(dataset, "PatientSex").upper()
    return code if code in ("F", "M", "O") else ""


def _age(dataset: Any, acquired_at: str) -> float | None:
    """Patient's Age, else the age by the date of birth, which goes no further than here."""
    stated = age_string(_said(dataset, "PatientAge"))
    if stated is None:
        stated = age_between(_date(_said(dataset, "PatientBirthDate")), acquired_at)
    return coarse_age(stated)


def _said(dataset: Any, name: str) -> str:
    """As ``_text``, empty where it cannot be decoded: no scan is lost for what it says of the patient."""
    try:
        return _text(dataset, name)
    except Exception:  # broad as in ``read_header``
        return ""


def _text(dataset: Any, name: str) -> str:
    value = dataset.get(name)
    return "" if value is None else str(value).strip()


def _number(dataset: Any, name: str) -> float | None:
    value = dataset.get(name)
    if value is None or value == "":
        return None
    number = float(value)
    return number if np.isfinite(number) else None


def _numbers(dataset: Any, name: str, count: int) -> tuple[float, ...] | None:
    values = dataset.get(name)
    if values is None or isinstance(values, str) or len(values) != count:
        return None
    numbers = tuple(float(value) for value in values)
    return numbers if all(np.isfinite(numbers)) else None


def _date(text: str) -> str:
    """DICOM ``YYYYMMDD`` as ISO; empty when it is anything else."""
    try:
        return datetime.strptime(text, "%Y%m%d").date().isoformat() if len(text) == 8 else ""
    except ValueError:
        return ""
