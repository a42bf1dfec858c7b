"""What one cell of cases.csv may hold: its text as a value; ``ValueError`` for any other."""

from __future__ import annotations

import math
import re
from datetime import date
from pathlib import PurePosixPath

from components.cohort.patient_age import OLDEST_EVER
from components.cohort.scan import OLDEST
from components.cohort.task import TASKS
from components.volume.stated_grid import is_orientation

HIDDEN = ("ignore", "none")
WIDEST_MM = 100.0  # no voxel of a CT is wider: such a number has another unit
_SEXES = ("", "F", "M", "O")  # Patient's Sex, DICOM PS3.3 C.7.1.1
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def inner_path(text: str) -> str:
    """A path that stays inside the source, with forward slashes."""
    path = PurePosixPath(text.replace("\\", "/"))
    if not text or path.is_absolute() or ".." in path.parts:
        raise ValueError(text)
    return str(path)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(";") if word.strip())


def is_name(text: str) -> bool:
    """Whether ``text`` may name a batch, and with it folders: letters, digits, . _ -, at most 64."""
    return _CASE.fullmatch(text) is not None


def tasks(text: str) -> tuple[str, ...]:
    """Tasks, or what hides a file, separated by ``;``."""
    words = _words(text)
    if not set(words) <= {*TASKS, *HIDDEN}:
        raise ValueError(text)
    return words


def name(text: str) -> str:
    """See ``is_name``."""
    if not is_name(text):
        raise ValueError(text)
    return text


def case(text: str) -> str:
    """A name that leaves room for the phase in a frame's name; may be empty."""
    if text and (not _CASE.fullmatch(text) or "__phase-" in text):
        raise ValueError(text)
    return text


def role(text: str) -> str:
    """At most 80 printable letters; may be empty."""
    if len(text) > 80 or not text.isprintable():
        raise ValueError(text)
    return text


def positive(text: str) -> float | None:
    """A finite number above 0; may be empty."""
    if not text:
        return None
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise ValueError(text)
    return value


def number(text: str) -> float | None:
    """A finite number; may be empty."""
    value = float(text) if text else None
    if value is not None and not math.isfinite(value):
        raise ValueError(text)
    return value


def slope(text: str) -> float | None:
    """A finite number other than 0; may be empty."""
    value = number(text)
    if value == 0.0:
        raise ValueError(text)
    return value


def spacing(text: str) -> tuple[float, float, float] | None:
    """``z y x`` in mm, separated by spaces or ``;``; may be empty."""
    if not text:
        return None
    z, y, x = (float(word) for word in text.replace(";", " ").split())
    if not all(0.0 < step <= WIDEST_MM for step in (z, y, x)):
        raise ValueError(text)
    return z, y, x


def orientation(text: str) -> str:
    """See ``is_orientation``; may be empty."""
    if text and not is_orientation(text):
        raise ValueError(text)
    return text


def sex(text: str) -> str:
    """F, M or O; may be empty."""
    if text not in _SEXES:
        raise ValueError(text)
    return text


def age(text: str) -> float | None:
    """Years, at most ``OLDEST`` (see ``Acquisition``); may be empty."""
    value = float(text) if text else None
    if value is not None and not 0.0 <= value <= OLDEST_EVER:
        raise ValueError(text)
    return value if value is None else min(value, OLDEST)


def iso_date(text: str) -> str:
    """``YYYY-MM-DD``; may be empty."""
    if text and date.fromisoformat(text).isoformat() != text:
        raise ValueError(text)
    return text


def phases(text: str) -> tuple[float, ...]:
    """Percent of the R-R interval in [0, 100), separated by ``;``, no two alike when rounded."""
    percents = tuple(float(word) for word in _words(text))
    if not all(0.0 <= p < 100.0 for p in percents) or len({round(p) for p in percents}) != len(percents):
        raise ValueError(text)
    return percents


def label_values(text: str) -> dict[int, str]:
    """``1=heart;2=aorta`` → value → structure; ``ValueError`` unless values are unique, in 1 … 255."""
    pairs = [pair.split("=") for pair in text.replace(",", ";").split(";") if pair.strip()]
    values = {int(value): name(structure.strip()) for value, structure in pairs}
    if len(values) != len(pairs) or not all(0 < value < 256 for value in values):
        raise ValueError(text)
    return values


def finding(text: str) -> int | None:
    """0, 1, or nothing for unknown."""
    if text not in ("", "0", "1"):
        raise ValueError(text)
    return int(text) if text else None
