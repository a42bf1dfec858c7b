"""Parquet tables from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The table at ``path``, or some of its ``columns`` in their order there.

    Not by ``pandas.read_parquet``, which opens a Python file: where a thread of pyarrow's pool is the last to let go of
    it, the interpreter aborts or hangs as it ends (apache/arrow#50482; one process in nine here).

    Raises:
        OSError: there is no such file, or the disk cannot read it.
        ValueError: it is not Parquet (``pyarrow.ArrowInvalid``).
    """
    with pq.ParquetFile(path) as file:
        table: pd.DataFrame = file.read(columns=columns, use_pandas_metadata=True).to_pandas()
    return table


def read_between(path: Path, columns: Sequence[str], by: str, low: str, high: str) -> pd.DataFrame:
    """``columns`` of the rows whose text ``by`` lies between ``low`` and ``high``, both included.

    Row groups whose statistics rule that out are not read; of the others only what matches is kept.
    """
    found = []
    with pq.ParquetFile(path) as file:
        place = file.schema_arrow.names.index(by)
        for group in range(file.num_row_groups):
            known = file.metadata.row_group(group).column(place).statistics
            if known is not None and known.has_min_max and (known.max < low or known.min > high):
                continue
            table = file.read_row_group(group, columns=[*columns, by])
            inside = pc.and_(pc.greater_equal(table[by], low), pc.less_equal(table[by], high))
            found.append(table.filter(inside).select(list(columns)))
        empty = file.schema_arrow.empty_table().select(list(columns))
    rows: pd.DataFrame = pa.concat_tables(found or [empty]).to_pandas(ignore_metadata=True)
    return rows
