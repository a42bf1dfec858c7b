"""Reading Parquet tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.parquet import read_between, read_parquet


def test_what_pandas_wrote_comes_back_with_its_index_and_types(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"name": ["a", None], "x": np.array([1.5, np.nan], np.float32), "n": [1, 2]},
        index=pd.Index(["p", "q"], name="case_id"),
    )
    table.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "t.parquet"), table)


def test_some_columns_only(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1], "b": [2], "c": [3]}).to_parquet(tmp_path / "t.parquet")
    assert list(read_parquet(tmp_path / "t.parquet", ["c", "a"]).columns) == ["c", "a"]


def test_a_missing_file_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_parquet(tmp_path / "none.parquet")


def test_another_file_is_a_wrong_value(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("no table, but long enough to be looked at")
    with pytest.raises(ValueError, match="magic bytes"):
        read_parquet(tmp_path / "t.parquet")


def test_rows_between_are_read_without_the_other_row_groups(tmp_path: Path) -> None:
    days = [f"2026-01-{day:02d}" for day in range(1, 31)]
    table = pd.DataFrame({"case_id": [f"c{day}" for day in days], "acquired_at": days, "other": range(30)})
    table.to_parquet(tmp_path / "t.parquet", index=False, row_group_size=7)
    found = read_between(
        tmp_path / "t.parquet", ["case_id", "acquired_at"], "acquired_at", "2026-01-08", "2026-01-15"
    )
    expected = table[table["acquired_at"].between("2026-01-08", "2026-01-15")][["case_id", "acquired_at"]]
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True))
    nothing = read_between(tmp_path / "t.parquet", ["case_id"], "acquired_at", "2027-01-01", "2027-02-01")
    assert nothing.empty
    assert list(nothing) == ["case_id"]
