"""DICOM values as published tables print them, for cases.csv; nothing where they say nothing usable."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime

from components.cohort.cases_cells import OLDEST_EVER

COLUMNS = (
    "Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "KVP", "SliceThickness", "StudyDate", "PatientSex",
    "PatientAge",
)  # fmt: skip
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}  # Age String, PS3.5 section 6.2


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
    """``034Y`` → 34; a bare number is years."""
    found = re.fullmatch(r"(\d{1,3})(?:\.0)?([YMWD]?)", text)
    if found is None:
        return ""
    years = int(found[1]) * _YEARS[found[2] or "Y"]
    return f"{years:.4g}" if years <= OLDEST_EVER else ""
