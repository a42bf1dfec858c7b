"""The journal: finished steps are remembered, unfinished ones are not, another key starts afresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.progress import Journal, bar, write_json


def test_finished_steps_survive_and_keep_their_result(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.json", key="a", total=2).step("one", "One") as result:
        result["answer"] = 42
    again = Journal(tmp_path / "journal.json", key="a", total=2)
    assert again.done("one")
    assert again.result("one") == {"answer": 42}
    assert set(again.seconds) == {"one"}


def test_a_step_that_failed_is_not_done(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json", key="a", total=1)
    with pytest.raises(RuntimeError, match="killed"), journal.step("one", "One"):
        raise RuntimeError("killed")
    assert not Journal(tmp_path / "journal.json", key="a", total=1).done("one")


def test_another_key_starts_afresh(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.json", key="a", total=1).step("one", "One"):
        pass
    assert not Journal(tmp_path / "journal.json", key="b", total=1).done("one")


def test_the_highest_value_survives_a_killed_process(tmp_path: Path) -> None:
    assert Journal(tmp_path / "journal.json", key="a", total=1).highest("mib", 1662) == 1662
    continued = Journal(tmp_path / "journal.json", key="a", total=1)
    assert continued.highest("mib", 183) == 1662
    assert continued.highest("mib", 1700) == 1700
    assert Journal(tmp_path / "journal.json", key="b", total=1).highest("mib", 183) == 183


def test_json_is_written_whole_and_in_one_order(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": 1, "a": 2})
    write_json(tmp_path / "y.json", {"a": 2, "b": 1})
    assert (tmp_path / "x.json").read_bytes() == (tmp_path / "y.json").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"x.json", "y.json"}


def test_a_bar_counts_to_its_end_and_closes(capsys: pytest.CaptureFixture[str]) -> None:
    show = bar("gate")
    for done in (1, 2, 3):
        show(done, 3)
    shown = capsys.readouterr()
    assert "gate: 100%" in shown.err
    assert "3/3" in shown.err
    show(1, 3)  # a second pass over the same frames, the champion's, say
    assert capsys.readouterr().err == ""
    assert shown.out == ""
