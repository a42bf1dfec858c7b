"""What a published data set's files and tables give for cases.csv, and what they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.errors import InputError
from components.published.tables import Cells, PublishedTable


@dataclass(frozen=True, kw_only=True)
class PublishedCases:
    """Rows of cases.csv and the rest.

    Args:
        rows: file, relative to the source → its cells, by column.
        left_out: reason → names of scans, sorted; they have no row.
        columns_of: finding → the published columns that it was read from.
    """

    rows: Mapping[str, Cells]
    left_out: Mapping[str, tuple[str, ...]]
    columns_of: Mapping[str, tuple[str, ...]]


def published_cases(
    files: Mapping[str, Sequence[str]],
    labels: PublishedTable,
    describe: Callable[[str, str], Cells],
    columns_of: Mapping[str, tuple[str, ...]],
) -> PublishedCases:
    """One row for each scan that has one file, sound labels or none, and a description.

    Args:
        files: name of a scan → its files.
        labels: a scan without a row has unknown findings.
        describe: name, file → the other cells; ``InputError`` for a scan that cannot be used.
        columns_of: see ``PublishedCases``.
    """
    rows: dict[str, Cells] = {}
    left_out: dict[str, list[str]] = {}
    for name in sorted(files):
        try:
            rows[files[name][0]] = _row(name, files[name], labels, describe)
        except InputError as error:
            left_out.setdefault(f"expected {error.expected}, got {error.got}", []).append(name)
    absent = sorted({*labels.rows, *labels.faults} - set(files))
    if absent:
        left_out["in the labels, without a file"] = absent
    return PublishedCases(
        rows=rows,
        left_out={reason: tuple(names) for reason, names in left_out.items()},
        columns_of=columns_of,
    )


def row_of(table: PublishedTable, name: str, what: str) -> Cells:
    """The row of a scan; ``InputError`` where it has none, or one at fault."""
    if name in table.faults:
        raise InputError(expected=f"a sound row in {what}", got=table.faults[name], hint="the table")
    if name not in table.rows:
        raise InputError(expected=f"a row in {what}", got="none", hint="`--metadata` of all parts")
    return table.rows[name]


def files_by_name(files: Iterable[str], name_of: Callable[[str], str]) -> dict[str, list[str]]:
    """Name of a scan → its files; files for which ``name_of`` gives none are not of the data set."""
    found: dict[str, list[str]] = {}
    for file in files:
        if name_of(file):
            found.setdefault(name_of(file), []).append(file)
    return found


def _row(
    name: str, files: Sequence[str], labels: PublishedTable, describe: Callable[[str, str], Cells]
) -> Cells:
    if len(files) > 1:
        raise InputError(expected="one file of a name", got=f"{len(files)}", hint="a narrower source")
    if name in labels.faults:
        row_of(labels, name, "the labels")
    return {**describe(name, files[0]), **labels.rows.get(name, {})}
