"""Every scorecard that one model version has given: Parquet files, each added in one step and never changed.

A case that is scored again, because it changed or failed before, stands in a later file, and the latest counts.
Files may have different columns; a row has NaN in those that it was written without.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.adapters.score_part import (
    CONTENT,
    Failure,
    cases_among,
    failures_as_metadata,
    part_index,
    part_rows,
    part_schema,
    rows_of,
    write_part,
)
from components.scorecard.case_scores import CaseScores

_MANY_PARTS = 64
_FULL_PART = 20_000  # rows; larger files are not merged again
_GROUP = 1024  # rows


@dataclass(frozen=True, kw_only=True)
class StoreIndex:
    """What a store holds, without its scorecards.

    Args:
        contents: case_id → content of the scores that count.
        parts: file → the cases whose scores in it count.
        failures: of the scores that count.
        stale: files with scores that no longer count.
    """

    contents: Mapping[str, str]
    parts: Mapping[Path, Collection[str]]
    failures: Sequence[Failure]
    stale: frozenset[Path]

    @cached_property
    def failed_cases(self) -> frozenset[str]:
        return frozenset(failure.case_id for failure in self.failures)


@dataclass(frozen=True)
class ScoreStore:
    """Whoever calls ``add`` or ``compact`` holds the store's lease; reading needs none."""

    folder: Path

    @property
    def lease(self) -> Path:
        return self.folder / "lease"

    def index(self) -> StoreIndex:
        """Read from two columns of each file."""
        latest: dict[str, Path] = {}
        contents: dict[str, str] = {}
        sizes: dict[Path, int] = {}
        failures: list[tuple[Path, Failure]] = []
        for path in self._parts():
            cases, failed = part_index(path)
            sizes[path] = len(cases)
            contents |= cases
            latest |= dict.fromkeys(cases, path)
            failures += [(path, failure) for failure in failed]
        parts: dict[Path, list[str]] = {path: [] for path in sizes}
        for case, path in latest.items():
            parts[path].append(case)
        return StoreIndex(
            contents=contents,
            parts=parts,
            failures=[failure for path, failure in failures if latest[failure.case_id] == path],
            stale=frozenset(path for path, size in sizes.items() if len(parts[path]) < size),
        )

    def add(self, cases: Sequence[CaseScores]) -> None:
        """All of ``cases`` are stored, or none."""
        write_part(self._next(), cases)

    def read(self, cases: Collection[str] | None = None) -> pd.DataFrame:
        """The scorecards of ``cases``, of all unless given, by case and then in phase order; one row per frame."""
        try:
            found = list(self.tables(cases))
        except FileNotFoundError:  # merged into another by whoever holds the lease
            return self.read(cases)
        if not found:
            return pd.DataFrame()
        table = pa.concat_tables(found, promote_options="permissive").drop_columns([CONTENT])
        frame: pd.DataFrame = table.to_pandas()
        return frame.sort_values("case_id", kind="stable", ignore_index=True)

    def tables(self, cases: Collection[str] | None = None) -> Iterator[pa.Table]:
        """As ``read``, with ``content``, in small tables and in no order of cases: memory stays bounded."""
        for path, chosen in self.index().parts.items() if cases is None else self._holding(cases):
            if chosen:
                yield from rows_of(path, chosen)

    def _holding(self, cases: Collection[str]) -> Iterator[tuple[Path, Collection[str]]]:
        """The newest files first, no further than the last case: what is new costs the same whatever the past."""
        left = set(cases)
        for path in reversed(self._parts()):
            if not left:
                return
            found = cases_among(path, left)
            left -= found
            yield path, found

    def compact(self) -> None:
        """Merge the small files once they are many, and drop what no longer counts.

        A kill at any moment loses nothing: the merged file is complete before those that it stands for go.
        """
        for unfinished in self.folder.glob(".part-*.tmp"):
            unfinished.unlink()
        index = self.index()
        small = {path for path in index.parts if part_rows(path) < _FULL_PART}
        merged = index.stale | (small if len(small) > _MANY_PARTS else frozenset())
        if any(index.parts[path] for path in merged):
            self._merge({path: index.parts[path] for path in sorted(merged)}, index.failures)
        for path in merged:
            path.unlink()

    def _merge(self, parts: Mapping[Path, Collection[str]], failures: Sequence[Failure]) -> None:
        cases = {case for held in parts.values() for case in held}
        kept = failures_as_metadata([failure for failure in failures if failure.case_id in cases])
        schema = pa.unify_schemas([part_schema(path) for path in parts], promote_options="permissive")
        target = self._next()
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        with pq.ParquetWriter(unfinished, schema.with_metadata(kept)) as writer:
            for table in _grouped(table for path, held in parts.items() for table in rows_of(path, held)):
                whole = pa.concat_tables([schema.empty_table(), *table], promote_options="permissive")
                writer.write_table(whole.select(schema.names).combine_chunks())
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, target)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def _next(self) -> Path:
        last = max((int(path.stem.removeprefix("part-")) for path in self._parts()), default=0)
        return self.folder / f"part-{last + 1:08d}.parquet"


def _grouped(tables: Iterator[pa.Table]) -> Iterator[list[pa.Table]]:
    """Several tables at a time, so that a file of many parts has few row groups."""
    group: list[pa.Table] = []
    for table in tables:
        group.append(table)
        if sum(one.num_rows for one in group) >= _GROUP:
            yield group
            group = []
    if group:
        yield group
