from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from components.adapters.case_index import CaseIndex


def table(path: Path, cases: int, frames: int = 3) -> None:
    rows = [
        {
            "frame_id": f"c{case:03d}-f{frame}", "case_id": f"c{case:03d}", "patient_id": f"p{case // 2:03d}",
            "batch": "one" if case % 2 else "two", "site": None if case % 3 else "north", "manufacturer": "A",
            "model": "M", "kernel": "soft", "acquired_at": "2026-01-01",
        }
        for case in range(cases)
        for frame in range(frames)
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(path, index=False)


@pytest.fixture
def index(tmp_path: Path) -> CaseIndex:
    table(tmp_path / "frames.parquet", 30)
    return CaseIndex(tmp_path / "frames.parquet")


def test_a_page_has_one_row_per_case(index: CaseIndex) -> None:
    rows, total = index.page(limit=4, offset=10)
    assert total == 30
    assert [(row["case_id"], row["patient_id"], row["frames"], row["batch"]) for row in rows] == [
        ("c010", "p005", 3, "two"), ("c011", "p005", 3, "one"), ("c012", "p006", 3, "two"), ("c013", "p006", 3, "one"),
    ]  # fmt: skip
    assert index.page(limit=4, offset=99) == ([], 30)


def test_search_and_filters_are_exact(index: CaseIndex) -> None:
    assert [row["case_id"] for row in index.page(search="p005", limit=9)[0]] == ["c010", "c011"]
    rows, total = index.page(filters={"batch": "one", "site": "north", "unknown": "x"}, limit=99)
    assert [row["case_id"] for row in rows] == ["c003", "c009", "c015", "c021", "c027"]
    assert total == 5
    assert index.page(search=".*", limit=9) == ([], 0)  # a part of the name, not a pattern
    assert index.values("batch") == ["one", "two"]
    assert index.values("site") == ["north"]


def test_frames_of_a_case(index: CaseIndex) -> None:
    assert [row["frame_id"] for row in index.frames("c007")] == ["c007-f0", "c007-f1", "c007-f2"]
    assert index.frames("none") == []


def test_a_new_ingest_is_seen(index: CaseIndex, tmp_path: Path) -> None:
    assert index.page(limit=1)[1] == 30
    table(tmp_path / "frames.parquet", 31)
    assert index.page(limit=1)[1] == 31


def test_before_the_first_ingest_there_is_nothing(tmp_path: Path) -> None:
    index = CaseIndex(tmp_path / "frames.parquet")
    assert index.page(limit=9, search="a", filters={"site": "b"}) == ([], 0)
    assert (index.values("site"), index.frames("c")) == ([], [])
