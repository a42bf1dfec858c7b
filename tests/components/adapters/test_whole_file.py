"""A file is replaced whole, and nothing unfinished stays beside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from components.adapters.whole_file import write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_content_is_replaced_and_nothing_else_is_there(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "made" / "table.txt"
    write_whole(path, "a longer text", durable=durable)
    write_whole(path, b"\xc2\xb5", durable=durable)
    assert path.read_text() == "µ"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    write_whole(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "after \ud800")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_that_came_before_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    write_whole(path, "before")
    with path.open() as opened:
        write_whole(path, "after")
        assert opened.read() == "before"


def test_a_private_file_is_private_from_the_start(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        write_whole(tmp_path / "paths.json", "{}", mode=0o600)
        write_whole(tmp_path / "open.json", "{}")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "paths.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "open.json").stat().st_mode) == 0o666
