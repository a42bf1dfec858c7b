"""cases.csv: what the files of a source cannot say about themselves."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from components.cohort import cases_cells as read
from components.cohort.patient_age import OLDEST_EVER
from components.cohort.scan import Acquisition, StatedVoxels
from components.cohort.task import TASKS
from components.errors import InputError

T = TypeVar("T")
COLUMNS = (
    "path", "patient", "task", "batch", "case", "site", "manufacturer", "model", "kernel", "kvp",
    "slice_thickness_mm", "phase", "acquired_at", "sex", "age", "labels", "label_values", "labelled_by",
    "rescale_slope", "rescale_intercept", "spacing_mm", "orientation",
)  # fmt: skip


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
        stated: what the row says of the file's voxels.
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
    stated: StatedVoxels = field(default_factory=StatedVoxels)

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
        path=cell("path", read.inner_path, "a path inside the source"),
        patient=cells.get("patient", ""),
        tasks=cell("task", read.tasks, f"{' or '.join((*TASKS, *read.HIDDEN))}, separated by ;"),
        batch=cell(
            "batch", read.name if "batch" in header else str, "a batch name of letters, digits, . _ -"
        ),
        case=cell("case", read.case, "a case name of letters, digits, . _ -"),
        acquisition=Acquisition(
            **{name: cells.get(name, "") for name in ("site", "manufacturer", "model", "kernel")},
            kvp=cell("kvp", read.positive, "a number above 0"),
            slice_thickness_mm=cell("slice_thickness_mm", read.positive, "a number above 0"),
            acquired_at=cell("acquired_at", read.iso_date, "a date as YYYY-MM-DD"),
            sex=cell("sex", read.sex, "F, M, O or nothing"),
            age_years=cell("age", read.age, f"years from 0 to {OLDEST_EVER:g}"),
        ),
        phases=cell("phase", read.phases, "percentages in [0, 100) separated by ;"),
        labels=cell("labels", lambda text: read.inner_path(text) if text else "", "a path inside the source"),
        label_values=cell("label_values", read.label_values, "value=structure pairs separated by ;"),
        labelled_by=cell("labelled_by", read.role, "a role in at most 80 letters"),
        findings={name: cell(name, read.finding, "0, 1 or nothing") for name in header if name in findings},
        stated=StatedVoxels(
            rescale_slope=cell("rescale_slope", read.slope, "a number other than 0, beside an intercept"),
            rescale_intercept=cell("rescale_intercept", read.number, "a number, beside a slope"),
            spacing_mm=cell(
                "spacing_mm", read.spacing, f"three numbers, z y x, above 0 and to {read.WIDEST_MM:g}"
            ),
            orientation=cell("orientation", read.orientation, "the directions of rising x, y, z, as LPS"),
        ),
    )


def _check_together(rows: Sequence[CaseRow]) -> None:
    """One case has one patient, one batch and one set of findings; a file has one row per task."""
    cases: dict[str, CaseRow] = {}
    paths: dict[tuple[str, str], int] = {}
    scans = {row.path: row.line for row in rows if not set(row.tasks) & set(read.HIDDEN)}
    for row in rows:
        if (row.stated.rescale_slope is None) != (row.stated.rescale_intercept is None):
            raise _wrong(row.line, "rescale_slope", "slope and intercept, or neither", "one of them")
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


def merged(found: Acquisition, stated: Acquisition) -> Acquisition:
    """What the file says, overruled by what the table states."""
    given = {name: value for name, value in vars(stated).items() if value not in ("", None)}
    return replace(found, **given)


def _wrong(line: int, column: str, expected: str, got: str, hint: str = "correcting the cell") -> InputError:
    where = f"row {line}, column {column!r}" if line > 1 else f"the header, column {column!r}"
    return InputError(expected=f"cases.csv to hold {expected} ({where})", got=got, hint=hint)
