"""cases.csv: what the files of a source cannot say about themselves."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import PurePosixPath
from typing import TypeVar

from components.cohort.scan import Acquisition
from components.cohort.task import TASKS
from components.errors import InputError

T = TypeVar("T")
COLUMNS = (
    "path", "patient", "task", "batch", "case", "site", "manufacturer", "model", "kernel", "kvp",
    "slice_thickness_mm", "phase", "acquired_at", "labels", "label_values", "labelled_by",
)  # fmt: skip
_HIDDEN = ("ignore", "none")
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One row; empty cells are ``""``, ``None`` or ``()``.

    Args:
        line: in the file, the header being 1.
        path: a file or folder, relative to the source.
        patient: any name; it is turned into a pseudonym and never kept.
        tasks: the tasks that may use it; empty means every one. ``ignore`` and ``none`` hide a file.
        case: names a scan within its patient, as a pseudonym too; frames of one cine share it.
        phases: percent of the R-R interval, one per frame of the file.
        labels: an expert's label map, relative to the source.
        label_values: value in that map → structure; empty means the task's own values.
        labelled_by: role of whoever made the labels and findings of the row, shown in reports.
        findings: finding → 0, 1 or ``None`` (unknown).
    """

    line: int
    path: str
    patient: str = field(default="", repr=False)
    tasks: tuple[str, ...] = ()
    batch: str = ""
    case: str = field(default="", repr=False)
    acquisition: Acquisition = field(default_factory=Acquisition)
    phases: tuple[float, ...] = ()
    labels: str = ""
    label_values: Mapping[int, str] = field(default_factory=dict)
    labelled_by: str = ""
    findings: Mapping[str, int | None] = field(default_factory=dict)

    def concerns(self, task: str, batch: str | None = None) -> bool:
        """Whether ``task`` may use the row, in ``batch`` (``None``: in any)."""
        return (not self.tasks or task in self.tasks) and (batch is None or self.batch == batch)


@dataclass(frozen=True, kw_only=True)
class CasesTable:
    """The rows in order; ``has_batches`` when a batch column divides them."""

    rows: tuple[CaseRow, ...]
    has_batches: bool

    def batches(self, task: str) -> tuple[str, ...]:
        """The batches of ``task`` in order of appearance."""
        return tuple(dict.fromkeys(row.batch for row in self.rows if row.concerns(task)))


def parse_cases(text: str, findings: Sequence[str]) -> CasesTable:
    """Parse and check a cases table.

    Args:
        text: CSV with a header line; a ``path`` column and any of the others.
        findings: the names that a finding column may have.

    ``InputError`` names the row and column of the first thing wrong.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        _check_header(header, findings)
        reader.fieldnames = header
        rows = [_row(reader.line_num, record, header, findings) for record in reader]
    except csv.Error as error:  # a quote that nobody closes would swallow the rows below it
        raise InputError(
            expected="cases.csv to be a table of comma-separated values",
            got=f"{error} (row {reader.line_num})",
            hint="saving it as CSV again",
        ) from error
    _check_together(rows)
    return CasesTable(rows=tuple(rows), has_batches="batch" in header)


def _check_header(header: Sequence[str], findings: Sequence[str]) -> None:
    known = [*COLUMNS, *findings]
    if "path" not in header:
        raise _wrong(1, "path", "the column path", f"{', '.join(header) or 'an empty file'}")
    for name in header:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise _wrong(1, name, "a known column or finding", repr(name), f"{near!r}, or removing it")
        if header.count(name) > 1:
            raise _wrong(1, name, "each column once", "it twice")


def _row(
    line: int, record: Mapping[str, str | None], header: Sequence[str], findings: Sequence[str]
) -> CaseRow:
    if None in record or None in record.values():
        raise _wrong(line, header[-1], f"{len(header)} cells", "more or fewer", "quoting cells with commas")
    cells = {name: (value or "").strip() for name, value in record.items()}

    def cell(name: str, parse: Callable[[str], T], expected: str) -> T:
        try:
            return parse(cells.get(name, ""))
        except ValueError as error:
            raise _wrong(line, name, expected, repr(cells.get(name, ""))) from error

    return CaseRow(
        line=line,
        path=cell("path", _path, "a path inside the source"),
        patient=cells.get("patient", ""),
        tasks=cell("task", _tasks, f"{' or '.join((*TASKS, *_HIDDEN))}, separated by ;"),
        batch=cell("batch", _name if "batch" in header else str, "a batch name of letters, digits, . _ -"),
        case=cell("case", _case, "a case name of letters, digits, . _ -"),
        acquisition=Acquisition(
            **{name: cells.get(name, "") for name in ("site", "manufacturer", "model", "kernel")},
            kvp=cell("kvp", _positive, "a number above 0"),
            slice_thickness_mm=cell("slice_thickness_mm", _positive, "a number above 0"),
            acquired_at=cell("acquired_at", _date, "a date as YYYY-MM-DD"),
        ),
        phases=cell("phase", _phases, "percentages in [0, 100) separated by ;"),
        labels=cell("labels", lambda text: _path(text) if text else "", "a path inside the source"),
        label_values=cell("label_values", parse_label_values, "value=structure pairs separated by ;"),
        labelled_by=cell("labelled_by", _role, "a role in at most 80 letters"),
        findings={name: cell(name, _finding, "0, 1 or nothing") for name in header if name in findings},
    )


def _check_together(rows: Sequence[CaseRow]) -> None:
    """One case has one patient, one batch and one set of findings; a file has one row per task."""
    cases: dict[str, CaseRow] = {}
    paths: dict[tuple[str, str], int] = {}
    scans = {row.path: row.line for row in rows if not set(row.tasks) & set(_HIDDEN)}
    for row in rows:
        if row.labels in scans:
            raise _wrong(row.line, "labels", "a label map", f"the path of row {scans[row.labels]}, a scan")
        for task in row.tasks or ("",):
            first = paths.setdefault((row.path, task), row.line)
            if first != row.line:
                raise _wrong(row.line, "path", "each file once per task", f"the path of row {first} again")
        if not row.case:
            continue
        known = cases.setdefault(row.case, row)
        for name in ("patient", "batch", "findings"):
            if getattr(row, name) != getattr(known, name):
                raise _wrong(row.line, name, f"the {name} of row {known.line}, the same case", "another")


def _path(text: str) -> str:
    path = PurePosixPath(text.replace("\\", "/"))
    if not text or path.is_absolute() or ".." in path.parts:
        raise ValueError(text)
    return str(path)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(";") if word.strip())


def is_name(text: str) -> bool:
    """Whether ``text`` may name a batch, and with it folders: letters, digits, . _ -, at most 64."""
    return _CASE.fullmatch(text) is not None


def _tasks(text: str) -> tuple[str, ...]:
    words = _words(text)
    if not set(words) <= {*TASKS, *_HIDDEN}:
        raise ValueError(text)
    return words


def _name(text: str) -> str:
    if not is_name(text):
        raise ValueError(text)
    return text


def _case(text: str) -> str:
    if text and (not _CASE.fullmatch(text) or "__phase-" in text):
        raise ValueError(text)
    return text


def _role(text: str) -> str:
    if len(text) > 80 or not text.isprintable():
        raise ValueError(text)
    return text


def _positive(text: str) -> float | None:
    if not text:
        return None
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise ValueError(text)
    return value


def _date(text: str) -> str:
    if text and date.fromisoformat(text).isoformat() != text:
        raise ValueError(text)
    return text


def _phases(text: str) -> tuple[float, ...]:
    phases = tuple(float(word) for word in _words(text))
    if not all(0.0 <= phase < 100.0 for phase in phases) or len({round(p) for p in phases}) != len(phases):
        raise ValueError(text)
    return phases


def parse_label_values(text: str) -> dict[int, str]:
    """``1=heart;2=aorta`` → value → structure; ``ValueError`` unless values are unique, in 1 … 255."""
    pairs = [pair.split("=") for pair in text.replace(",", ";").split(";") if pair.strip()]
    values = {int(value): _name(name.strip()) for value, name in pairs}
    if len(values) != len(pairs) or not all(0 < value < 256 for value in values):
        raise ValueError(text)
    return values


def _finding(text: str) -> int | None:
    if text not in ("", "0", "1"):
        raise ValueError(text)
    return int(text) if text else None


def merged(read: Acquisition, stated: Acquisition) -> Acquisition:
    """What the file says, overruled by what the table states."""
    given = {name: value for name, value in vars(stated).items() if value not in ("", None)}
    return replace(read, **given)


def _wrong(line: int, column: str, expected: str, got: str, hint: str = "correcting the cell") -> InputError:
    where = f"row {line}, column {column!r}" if line > 1 else f"the header, column {column!r}"
    return InputError(expected=f"cases.csv to hold {expected} ({where})", got=got, hint=hint)
