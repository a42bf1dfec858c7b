"""The files of a source, divided by its cases table into what each task reads as one batch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from components.adapters.readers import can_be_opened, is_dicom, is_scan
from components.cohort.cases_table import CaseRow, CasesTable, parse_cases
from components.cohort.task import Task
from components.errors import InputError
from pipelines.batch_list import Batch, Source

Hash = Callable[[str], str]
"""Relative path → sha256 of the file."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Files that are read together, and the row of cases.csv that names them."""

    row: CaseRow | None
    files: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """What lies in a source.

    Args:
        root: of the source.
        table: the cases table, if there is one.
        claims: scan file → rows that name it, the most specific path alone.
        unmapped: scan files that no row names.
        ignored: number of files that are no scans: tables, texts, pictures, named label maps.
    """

    root: Path = field(repr=False)
    table: CasesTable | None
    claims: dict[str, tuple[CaseRow, ...]] = field(repr=False)
    unmapped: tuple[str, ...] = field(repr=False)
    ignored: int

    def batch_names(self, task: Task, default: str) -> tuple[str, ...]:
        """The batches of ``task`` in order; ``default`` where the table does not divide the source."""
        if self.table is not None and self.table.has_batches:
            names = self.table.batches(task)
            return names or ((default,) if self.unmapped else ())
        return (default,) if self.units(task, default) else ()

    def units(self, task: Task, name: str) -> tuple[Unit, ...]:
        """What ``task`` reads in batch ``name``: the rows in their order, then unmapped files.

        Unmapped images come one by one; unmapped DICOM files come together, since a series may lie in
        several folders.
        """
        units = [Unit(row=row, files=self._files_of.get(row.line, ())) for row in self._rows(task, name)]
        if self.table is None or not self.table.has_batches or self.table.batches(task)[:1] in ((), (name,)):
            units += self._unmapped_units()
        return tuple(unit for unit in units if unit.files)

    def _rows(self, task: Task, name: str) -> list[CaseRow]:
        if self.table is None:
            return []
        batch = name if self.table.has_batches else None
        return [row for row in self.table.rows if row.concerns(task, batch)]

    @cached_property
    def _files_of(self) -> dict[int, tuple[str, ...]]:
        """Line of cases.csv → its files."""
        found: dict[int, list[str]] = {}
        for file, rows in self.claims.items():
            for row in rows:
                found.setdefault(row.line, []).append(file)
        return {line: tuple(files) for line, files in found.items()}

    def batch(self, task: Task, name: str, sha256: Hash) -> Batch:
        """The batch with the hash of its files, its label maps and its rows."""
        units = self.units(task, name)
        files = {file for unit in units for file in unit.files}
        labels = {unit.row.labels for unit in units if unit.row and unit.row.labels}
        content = {
            "files": {file: sha256(file) for file in sorted(files | labels)},
            "rows": [_said(unit.row) for unit in units if unit.row],
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return Batch(name=name, digest=digest, files=len(files))

    def digest(self, sha256: Hash) -> str:
        """One hash for all scans of the source, whatever the table says of them."""
        scans = sorted({*self.claims, *self.unmapped})
        return hashlib.sha256(json.dumps({file: sha256(file) for file in scans}).encode()).hexdigest()

    def _unmapped_units(self) -> list[Unit]:
        dicom = tuple(file for file in self.unmapped if is_dicom(self.root, file))
        units = [Unit(row=None, files=(file,)) for file in self.unmapped if file not in set(dicom)]
        return [*units, Unit(row=None, files=dicom)]


def _said(row: CaseRow) -> dict[str, Any]:
    """What a row says, wherever it stands.

    Columns that came later count only where they are used: a batch that was added before keeps its hash.
    """
    said = asdict(row) | {"line": 0}
    for place, names in (
        (said["acquisition"], ("sex", "age_years")),
        (said["stated"], tuple(said["stated"])),
    ):
        for name in names:
            if place[name] in ("", None):
                del place[name]
    if not said["stated"]:
        del said["stated"]
    return said


def source_at(folder: Path, cases: Path | None) -> Source:
    """``folder`` with ``cases``, or else with the cases.csv in it; ``InputError`` when it is no folder."""
    if not folder.is_dir():
        raise InputError(expected="a folder of scans", got=f"{folder.name!r}", hint="--source DIR")
    beside = folder / "cases.csv"
    cases = cases if cases is not None else (beside if beside.is_file() else None)
    return Source(root=folder.resolve(), cases=cases.resolve() if cases else None)


def open_source(source: Source, findings: Sequence[str]) -> SourceFiles:
    """List a source and match it with its table.

    ``InputError`` for a table that does not parse or names files that are not there.
    """
    files = files_below(source.root)
    if source.cases is None:
        scans = tuple(file for file in files if is_scan(file))
        return SourceFiles(
            root=source.root, table=None, claims={}, unmapped=scans, ignored=len(files) - len(scans)
        )
    table = parse_cases(_text(source.cases), findings)
    claims = _claims(files, table)
    labels = {row.labels for row in table.rows if row.labels}
    _check_present(table, set(files), claims)
    scans = tuple(file for file in files if is_scan(file) and file not in labels)
    return SourceFiles(
        root=source.root,
        table=table,
        claims={file: claims[file] for file in scans if file in claims},
        unmapped=tuple(file for file in scans if file not in claims),
        ignored=len(files) - len(scans),
    )


def hashes(root: Path) -> Hash:
    """sha256 of files under ``root``, each computed once; a file that cannot be opened has none."""
    known: dict[str, str] = {}

    def sha256(file: str) -> str:
        if file not in known:
            known[file] = _sha256(root / file) if can_be_opened(root / file) else ""
        return known[file]

    return sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def files_below(root: Path) -> tuple[str, ...]:
    """Every file below ``root``, sorted, without hidden folders; ``InputError`` for a folder that stays shut."""
    found = []
    for folder, folders, names in os.walk(root, onerror=_raise_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name).relative_to(root).as_posix() for name in names]
    return tuple(sorted(found))


def _raise_unreadable(error: OSError) -> NoReturn:
    """Else its scans would be missing without a word."""
    raise InputError(
        expected="a source that can be read whole",
        got=error.strerror or type(error).__name__,
        hint="`find -L SOURCE ! -readable` for what may not be read",
    ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            expected="a readable cases table in UTF-8", got=type(error).__name__, hint="`--cases FILE`"
        ) from error


def _claims(files: Sequence[str], table: CasesTable) -> dict[str, tuple[CaseRow, ...]]:
    """File → rows whose path is the file itself, or else the deepest folder above it that has rows."""
    by_path: dict[str, list[CaseRow]] = {}
    for row in table.rows:
        by_path.setdefault(row.path, []).append(row)
    claims = {}
    for file in files:
        place = PurePosixPath(file)
        nearest = next((str(p) for p in (place, *place.parents) if str(p) in by_path), None)
        if nearest is not None:
            claims[file] = tuple(by_path[nearest])
    return claims


def _check_present(table: CasesTable, files: set[str], claims: dict[str, tuple[CaseRow, ...]]) -> None:
    claimed = {row.path for rows in claims.values() for row in rows}
    for row in table.rows:
        for column, path, there in (
            ("path", row.path, row.path in claimed),
            ("labels", row.labels, not row.labels or row.labels in files),
        ):
            if not there:
                raise InputError(
                    expected=f"a file or folder of the source (cases.csv, row {row.line}, column {column!r})",
                    got=repr(path),
                    hint="a path relative to the source",
                )
