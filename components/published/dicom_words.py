"""DICOM values as published tables print them, for cases.csv; nothing where they say nothing usable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from components.cohort.patient_age import age_string

COLUMNS = (
    "Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "KVP", "SliceThickness", "StudyDate", "PatientSex",
    "PatientAge",
)  # fmt: skip


def acquisition_cells(row: Mapping[str, str]) -> dict[str, str]:
    """The acquisition's columns of cases.csv from columns named by DICOM keyword; missing ones are empty."""
    return {
        "manufacturer": row.get("Manufacturer", ""),
        "model": row.get("ManufacturerModelName", ""),
        "kernel": _listed(row.get("ConvolutionKernel", "")),
        "kvp": _positive(row.get("KVP", "")),
        "slice_thickness_mm": _positive(row.get("SliceThickness", "")),
        "acquired_at": _date(row.get("StudyDate", "")),
        "sex": row.get("PatientSex", "") if row.get("PatientSex") in ("F", "M", "O") else "",
        "age": _age(row.get("PatientAge", "")),
    }


def numbers(text: str) -> tuple[float, ...]:
    """``[0.78, 0.78]``, ``0.78`` → its finite numbers; none for anything else."""
    try:
        found = tuple(float(word) for word in text.strip("[]() ").split(","))
    except ValueError:
        return ()
    return found if all(map(math.isfinite, found)) else ()


def _positive(text: str) -> str:
    found = numbers(text)
    return f"{found[0]:.6g}" if len(found) == 1 and found[0] > 0.0 else ""


def _listed(text: str) -> str:
    """``['Br40f', '3']`` → ``Br40f/3``, as our DICOM reader joins several values."""
    if not (text.startswith("[") and text.endswith("]")):
        return text
    return "/".join(word.strip(" '\"") for word in text[1:-1].split(","))


def _date(text: str) -> str:
    try:
        return datetime.strptime(text.removesuffix(".0"), "%Y%m%d").date().isoformat()
    except ValueError:
        return ""


def _age(text: str) -> str:
    years = age_string(text)
    return "" if years is None else f"{years:.4g}"
