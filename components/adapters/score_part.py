"""One Parquet file of scorecards: whole cases, each with the hash of its content, and the frames that failed."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.adapters.whole_file import write_whole
from components.errors import StateError
from components.scorecard.case_scores import CaseScores

CONTENT = "content"
_KEY = b"ctloop"
_ROWS_AT_A_TIME = 1024
_NO_ROWS = pa.table({name: pa.array([], pa.string()) for name in (CONTENT, "case_id")})


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A frame without a scorecard. Kept in the file's metadata: rows and failures are there together or not at all."""

    case_id: str
    content: str
    frame_id: str
    reason: str


def write_part(path: Path, cases: Sequence[CaseScores]) -> None:
    """Write the scorecards of ``cases`` in one step; it survives a loss of power."""
    rows = [{CONTENT: case.content, **row} for case in cases for row in case.rows]
    table = pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False) if rows else _NO_ROWS
    failures = [
        Failure(case_id=case.case_id, content=case.content, frame_id=frame, reason=reason)
        for case in cases
        for frame, reason in case.failures.items()
    ]
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(failures_as_metadata(failures)), buffer)
    write_whole(path, buffer.getvalue(), durable=True)


def part_index(path: Path) -> tuple[dict[str, str], list[Failure]]:
    """case_id → content of every case in the file, and its failures; no other column is read."""
    with _open(path) as file:
        failures = failures_of(file.schema_arrow)
        table = file.read(columns=["case_id", CONTENT])
    names, contents = table["case_id"].to_pylist(), table[CONTENT].to_pylist()
    index = dict(zip(names, contents, strict=True))
    return index | {failure.case_id: failure.content for failure in failures}, failures


def part_rows(path: Path) -> int:
    with _open(path) as file:
        return int(file.metadata.num_rows)


def part_schema(path: Path) -> pa.Schema:
    """Of the scorecards, without the failures."""
    with _open(path) as file:
        return file.schema_arrow.remove_metadata()


def cases_among(path: Path, wanted: Collection[str]) -> set[str]:
    """Those of ``wanted`` that the file has rows or failures of; memory does not grow with the file."""
    names = pa.array(list(wanted), pa.string())
    found: set[str] = set()
    with _open(path) as file:
        found.update(one.case_id for one in failures_of(file.schema_arrow) if one.case_id in set(wanted))
        for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME, columns=["case_id"]):
            column = batch.column("case_id")
            found.update(column.filter(pc.is_in(column, value_set=names)).to_pylist())
    return found


def rows_of(path: Path, cases: Collection[str]) -> Iterator[pa.Table]:
    """The rows of ``cases``, about a thousand at a time, in the order of the file; other row groups are not read."""
    wanted = pa.array(list(cases), pa.string())
    with _open(path) as file:
        for group in range(file.num_row_groups):
            names = file.read_row_group(group, columns=["case_id"])["case_id"]
            if not pc.any(pc.is_in(names, value_set=wanted)).as_py():
                continue
            for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME, row_groups=[group]):
                table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
                table = table.filter(pc.is_in(table["case_id"], value_set=wanted))
                if table.num_rows:
                    yield table


def failures_as_metadata(failures: Sequence[Failure]) -> dict[bytes, bytes]:
    return {_KEY: json.dumps([vars(failure) for failure in failures]).encode()}


def failures_of(schema: pa.Schema) -> list[Failure]:
    return [Failure(**item) for item in json.loads((schema.metadata or {}).get(_KEY, b"[]"))]


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise StateError(
            expected=f"stored scorecards in {path.name}",
            got=str(error).splitlines()[0],
            hint="deleting that file: its cases are then scored again",
        ) from error
