"""The cases of frames.parquet, searched and a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SHOWN = ("batch", "site", "manufacturer", "model", "kernel", "acquired_at")
FILTERS = ("batch", "site", "manufacturer", "kernel")


class CaseIndex:
    """One row per case with what its frames share, kept in memory as codes: about 30 bytes a case.

    It is made anew when the file has changed; ``frames.parquet`` is replaced as a whole by ingest.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: tuple[tuple[int, int], pa.Table] | None = None

    def page(
        self, *, search: str = "", filters: Mapping[str, str] | None = None, limit: int, offset: int = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """(rows, how many match); ``search`` is a part of a case's or patient's pseudonym."""
        table = self._table()
        for name, value in (filters or {}).items():
            if name in FILTERS and value:
                table = table.filter(pc.equal(table[name].cast(pa.string()), value))
        if search:
            found = [pc.match_substring(table[name], search) for name in ("case_id", "patient_id")]
            table = table.filter(pc.or_(*found))
        return table.slice(offset, limit).to_pylist(), table.num_rows

    def values(self, name: str) -> list[str]:
        """What a filter may be."""
        found = pc.unique(self._table()[name].cast(pa.string())).drop_null().to_pylist()
        return sorted(str(value) for value in found)

    def frames(self, case: str) -> list[dict[str, Any]]:
        """The rows of frames.parquet of one case; empty when there is none."""
        if not self._path.is_file():
            return []
        found: list[dict[str, Any]] = pq.read_table(self._path, filters=[("case_id", "=", case)]).to_pylist()
        return found

    def _table(self) -> pa.Table:
        if not self._path.is_file():
            return pa.table({name: pa.array([], pa.string()) for name in ("case_id", "patient_id", *SHOWN)})
        status = self._path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if self._made is None or self._made[0] != stamp:
            self._made = (stamp, self._read())
        return self._made[1]

    def _read(self) -> pa.Table:
        names = ["case_id", "patient_id", *SHOWN]
        frames = pq.read_table(self._path, columns=names)
        frames = frames.cast(pa.schema([(name, pa.string()) for name in names]))
        shared = [(name, "first") for name in names[1:]]
        cases = frames.group_by("case_id", use_threads=False).aggregate([("case_id", "count"), *shared])
        cases = cases.rename_columns(["case_id", "frames", *names[1:]])
        for name in SHOWN:
            place = cases.column_names.index(name)
            cases = cases.set_column(place, name, cases[name].dictionary_encode())
        return cases
