"""Job: a cases.csv for a published data set, from the tables that it comes with."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from components.adapters.readers import is_scan
from components.adapters.whole_file import write_whole
from components.cohort.cases_table import COLUMNS, parse_cases
from components.errors import InputError, StateError
from components.published.cases import PublishedCases
from components.published.ct_rate import ct_rate_cases
from components.published.rad_chestct import rad_chestct_cases
from pipelines.batch_source import files_below, source_at
from pipelines.label_names import finding_names
from pipelines.workspace import Workspace

Tables = Iterable[Iterable[str]]
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """How many scans have no row for one reason, and the first of them."""

    scans: int
    first: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CasesTableReport:
    """What was written.

    Args:
        file: the table.
        scans: rows of scans to take.
        patients: of these; ``None`` when the tables do not say who is who.
        unlabelled: scans of which no finding is known.
        hidden: scan files of the source that the table keeps out.
        left_out: reason → scans without a row.
        columns_of: finding → the published columns that it was read from.
        unknown: findings of params.yaml that the data set does not have.
    """

    file: str
    scans: int
    patients: int | None
    unlabelled: int
    hidden: int
    left_out: Mapping[str, LeftOut]
    columns_of: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        of = "patients unknown" if self.patients is None else f"{self.patients} patients"
        lines = [f"{self.file}: {self.scans} scans, {of}, {self.unlabelled} without labels"]
        lines += [f"finding  {name}: {' or '.join(_short(c))}" for name, c in self.columns_of.items()]
        lines += [f"finding  {name}: not in these tables, unknown for every scan" for name in self.unknown]
        for reason, left in self.left_out.items():
            more = ", …" if left.scans > len(left.first) else ""
            lines.append(f"left out {left.scans} scans: {reason} ({', '.join(left.first)}{more})")
        if self.hidden:
            lines.append(f"{self.hidden} scan files of the source are kept out by `ignore` in column task")
        if self.patients is None:
            lines.append(
                "each scan counts as a patient of its own: `--metadata` with MRN_DEID says who is who"
            )
        return "\n".join(lines)


def ct_rate(
    workspace: Workspace,
    source: Path,
    *,
    labels: Sequence[Path],
    metadata: Sequence[Path],
    out: Path | None = None,
    release: int | None = None,
) -> CasesTableReport:
    """Write the cases table of CT-RATE scans below ``source``; see ``components.published.ct_rate``."""
    return _write(
        workspace,
        source,
        (labels, metadata),
        out,
        lambda files, findings, tables: ct_rate_cases(
            files,
            findings,
            label_tables=tables[0],
            metadata_tables=tables[1],
            release=release,
            within=str(source.resolve()),
        ),
    )


def rad_chestct(
    workspace: Workspace,
    source: Path,
    *,
    labels: Sequence[Path],
    metadata: Sequence[Path] = (),
    out: Path | None = None,
) -> CasesTableReport:
    """Write the cases table of Rad-ChestCT scans below ``source``; see ``components.published.rad_chestct``."""
    return _write(
        workspace,
        source,
        (labels, metadata),
        out,
        lambda files, findings, tables: rad_chestct_cases(
            files, findings, label_tables=tables[0], metadata_tables=tables[1]
        ),
    )


def _write(
    workspace: Workspace,
    source: Path,
    tables: tuple[Sequence[Path], Sequence[Path]],
    out: Path | None,
    cases_of: Callable[[Sequence[str], Sequence[str], tuple[Tables, Tables]], PublishedCases],
) -> CasesTableReport:
    """``InputError`` when not one scan is left; ``StateError`` when the file is there and says something else."""
    root, findings = source_at(source, None).root, finding_names(workspace)
    scans = [file for file in files_below(root) if is_scan(file)]
    with ExitStack() as stack:
        opened = tuple([_lines(stack, path) for path in paths] for paths in tables)
        cases = cases_of(scans, findings, (opened[0], opened[1]))
    if not cases.rows:
        raise InputError(
            expected="scans of the data set below the source, named as it names them",
            got=f"none among {len(scans)} scan files"
            + "".join(f"; {len(names)} {reason}" for reason, names in cases.left_out.items()),
            hint="`ctloop cases-table --help` for the layout",
        )
    hidden = [file for file in scans if file not in cases.rows]
    text = _csv(cases, hidden, findings)
    parse_cases(text, findings)  # what is written here must be what `add` takes
    path = out or root / "cases.csv"
    _put(path, text)
    return _report(path, cases, hidden, findings)


def _lines(stack: ExitStack, path: Path) -> Iterator[str]:
    """The lines of a table that stays open as long as ``stack``; ``InputError`` where it cannot be read."""
    try:
        yield from stack.enter_context(path.open(encoding="utf-8-sig", newline=""))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            expected="a readable table in UTF-8",
            got=type(error).__name__,
            hint=f"another path than {path.name!r}",
        ) from error


def _csv(cases: PublishedCases, hidden: Sequence[str], findings: Sequence[str]) -> str:
    rows = {file: {"path": file, "task": "classification", **row} for file, row in cases.rows.items()}
    rows |= {file: {"path": file, "task": "ignore"} for file in hidden}
    used = {name for row in rows.values() for name in row}
    text = io.StringIO()
    columns = [name for name in (*COLUMNS, *findings) if name in used]
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[file] for file in sorted(rows))
    return text.getvalue()


def _put(path: Path, text: str) -> None:
    try:
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise StateError(
                expected="no table, or this very one, where the new one goes",
                got=f"another {path.name}",
                hint="`--out FILE`, or removing it",
            )
        write_whole(path, text, mode=0o644)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            expected="a place where the table can be written", got=type(error).__name__, hint="`--out FILE`"
        ) from error


def _report(
    path: Path, cases: PublishedCases, hidden: Sequence[str], findings: Sequence[str]
) -> CasesTableReport:
    patients = {row.get("patient", "") for row in cases.rows.values()}
    known = tuple(cases.columns_of)
    return CasesTableReport(
        file=str(path),
        scans=len(cases.rows),
        patients=None if "" in patients else len(patients),
        unlabelled=sum(not any(row.get(name) for name in known) for row in cases.rows.values()),
        hidden=len(hidden),
        left_out={
            reason: LeftOut(scans=len(names), first=names[:_SHOWN])
            for reason, names in cases.left_out.items()
        },
        columns_of=dict(cases.columns_of),
        unknown=tuple(name for name in findings if name not in cases.columns_of),
    )


def _short(columns: Sequence[str]) -> list[str]:
    """Without the places of an abnormality."""
    return list(dict.fromkeys(column.split("*")[0] for column in columns))
