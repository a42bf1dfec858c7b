"""The search for identifiers sees into what the loop writes."""

from __future__ import annotations

import gzip
import re
import sqlite3
from pathlib import Path

import pandas as pd

from tests.acceptance.identifiers import files_with

PATIENT = re.compile(rb"chest-[0-9]+-[0-9]{4}")


def test_an_identifier_is_found_in_every_kind_of_file(tmp_path: Path) -> None:
    name = "chest-0-0001"
    pd.DataFrame({"case": ["p-7", name]}).to_parquet(tmp_path / "by-hash", compression="zstd")
    (tmp_path / "image.nii.gz").write_bytes(gzip.compress(name.encode()))
    (tmp_path / "log.txt").write_text(f"read {name}")
    (tmp_path / f"{name}.b2nd").touch()
    with sqlite3.connect(tmp_path / "ctloop.db") as database:
        database.execute("CREATE TABLE t (case_id TEXT)")
        database.execute("INSERT INTO t VALUES (?)", (name,))
    (tmp_path / "clean.json").write_text('{"case": "p-7"}')
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "cases.csv").write_text(name)
    found = files_with(PATIENT, tmp_path, but=("batches",))
    assert found == ["by-hash", f"{name}.b2nd", "ctloop.db", "image.nii.gz", "log.txt"]
