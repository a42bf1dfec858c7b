"""Age at a scan, from what DICOM says: coarse enough that with the date of the scan it gives no birthday."""

from __future__ import annotations

import math
import re
from datetime import date

from components.cohort.scan import OLDEST

OLDEST_EVER = 130.0
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}  # Age String, PS3.5 section 6.2
_IN_MONTHS_BELOW = 2.0
_EXACT = 1e-9


def age_string(text: str) -> float | None:
    """``034Y`` → 34, ``006M`` → 0.5, ``003W``, ``012D``; a bare number is years; ``None`` for anything else.

    Up to ``OLDEST_EVER``: an age like 999Y says that nobody knew.
    """
    found = re.fullmatch(r"(\d{1,3})(?:\.0)?([YMWD]?)", text.strip(), re.ASCII)
    years = int(found[1]) * _YEARS[found[2] or "Y"] if found else math.inf
    return years if years <= OLDEST_EVER else None


def age_between(birth: str, scan: str) -> float | None:
    """Completed years from one ISO date to another, below two years months; ``None`` for dates that cannot be."""
    try:
        born, scanned = date.fromisoformat(birth), date.fromisoformat(scan)
    except ValueError:
        return None
    whole = scanned.year - born.year - ((scanned.month, scanned.day) < (born.month, born.day))
    if not 0 <= whole <= OLDEST_EVER:
        return None
    if whole >= _IN_MONTHS_BELOW:
        return float(whole)
    months = (scanned.year - born.year) * 12 + scanned.month - born.month - (scanned.day < born.day)
    return months / 12


def coarse_age(years: float | None) -> float | None:
    """Completed years, below two years completed months; at most ``OLDEST``, which stands for all above."""
    if years is None:
        return None
    step = 1.0 if years >= _IN_MONTHS_BELOW else 1 / 12
    return min(math.floor(years / step + _EXACT) * step, OLDEST)
