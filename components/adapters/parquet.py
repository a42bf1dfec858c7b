"""Parquet tables from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
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
