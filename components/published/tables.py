"""Tables as data sets publish them: CSV with a row per scan, of which a few columns are taken."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.errors import InputError

Cells = Mapping[str, str]
Take = Callable[[Sequence[str]], Callable[[Sequence[str]], Cells]]
"""The header → what is taken of a row's cells; ``InputError`` from either for what cannot be used."""

ColumnsOf = Callable[[Sequence[str], Sequence[str]], Mapping[str, tuple[str, ...]]]
"""Findings, header → the findings that the table knows, each with its columns."""

_PRESENT = {"": None, "0": False, "0.0": False, "1": True, "1.0": True}


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """One table or several of a kind.

    Args:
        header: the columns of the first.
        rows: name of the scan → what was taken.
        faults: name → why its row cannot be used.
    """

    header: tuple[str, ...]
    rows: Mapping[str, Cells]
    faults: Mapping[str, str]


def read_tables(
    tables: Iterable[Iterable[str]], *, key: str, take: Take, suffixes: Sequence[str], what: str
) -> PublishedTable:
    """Read ``tables``, each an iterable of lines; a row is held no longer than it takes to take from it.

    A scan with two rows that differ, with a row of another length than the header, or with a row that ``take``
    refuses is at fault; the others are not touched by it.

    Args:
        key: the column with the names.
        take: what becomes of a row.
        suffixes: that a name may bear and loses here.
        what: the table in words, for messages.

    ``InputError`` for text that is no CSV, a header without ``key`` or one that ``take`` refuses.
    """
    headers: list[tuple[str, ...]] = []
    rows: dict[str, Cells] = {}
    faults: dict[str, str] = {}
    for lines in tables:
        reader = csv.reader(lines, strict=True)
        try:
            header = tuple(name.strip().removeprefix("\ufeff") for name in next(reader, []))
            at, taken = _key_index(header, key, what), take(header)
            for cells in reader:
                if cells:
                    _add(cells, header, at, taken, suffixes, rows, faults)
        except csv.Error as error:
            raise InputError(
                expected=f"{what} as comma-separated values",
                got=f"{error} (line {reader.line_num})",
                hint="downloading the table again",
            ) from error
        headers.append(header)
    return PublishedTable(
        header=headers[0] if headers else (),
        rows={name: row for name, row in rows.items() if name not in faults},
        faults=faults,
    )


def texts(names: Sequence[str], *, needed: Sequence[str], what: str) -> Take:
    """Takes the columns ``names`` as they are, as far as there are any; those ``needed`` must be there."""

    def of_header(header: Sequence[str]) -> Callable[[Sequence[str]], Cells]:
        for name in needed:
            if name not in header:
                raise _no_column(name, header, what)
        places = {name: header.index(name) for name in names if name in header}
        return lambda cells: {name: cells[place].strip() for name, place in places.items()}

    return of_header


def labels(findings: Sequence[str], columns_of: ColumnsOf, *, what: str) -> Take:
    """Takes a ``0``, a ``1`` or, for unknown, nothing for each finding that the table knows."""

    def of_header(header: Sequence[str]) -> Callable[[Sequence[str]], Cells]:
        known = columns_of(findings, header)
        if not known:
            raise _no_column("for one finding of params.yaml", header, what)
        where = {name: i for i, name in enumerate(header)}
        if len(where) != len(header):
            raise InputError(expected=f"{what} with each column once", got="one twice", hint="removing one")
        places = {name: tuple(where[column] for column in columns) for name, columns in known.items()}
        return lambda cells: {name: any_of(cells[i] for i in at) for name, at in places.items()}

    return of_header


def any_of(cells: Iterable[str]) -> str:
    """``or`` of three values: ``1`` if one is 1, ``0`` if all are 0, nothing if it cannot be known."""
    found: list[bool | None] = []
    for cell in cells:
        if cell.strip() not in _PRESENT:
            raise InputError(
                expected="0, 1 or nothing in every label", got="something else", hint="the table"
            )
        found.append(_PRESENT[cell.strip()])
    return "1" if True in found else "" if None in found else "0"


def plain(name: str) -> str:
    """``Lung nodule``, ``lung_nodule`` → ``lung_nodule``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _add(
    cells: Sequence[str],
    header: Sequence[str],
    at: int,
    taken: Callable[[Sequence[str]], Cells],
    suffixes: Sequence[str],
    rows: dict[str, Cells],
    faults: dict[str, str],
) -> None:
    name = cells[at].strip() if at < len(cells) else ""
    for suffix in suffixes:
        name = name.removesuffix(suffix)
    name = name or "(no name)"
    if len(cells) != len(header):
        faults.setdefault(name, "expected as many cells as columns, got more or fewer")
        return
    try:
        row = taken(cells)
    except InputError as error:
        faults.setdefault(name, f"expected {error.expected}, got {error.got}")
        return
    if rows.setdefault(name, row) != row:
        faults.setdefault(name, "expected one row, got two that differ")


def _key_index(header: Sequence[str], key: str, what: str) -> int:
    if key not in header:
        raise _no_column(key, header, what)
    return header.index(key)


def _no_column(name: str, header: Sequence[str], what: str) -> InputError:
    shown = ", ".join(header[:6]) + (f" and {len(header) - 6} more" if len(header) > 6 else "")
    return InputError(expected=f"a column {name} in {what}", got=shown or "no columns", hint="another table")
