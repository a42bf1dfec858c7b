"""Scores are stored whole, the latest of a case counts, and merging files changes nothing that is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.adapters import score_store
from components.adapters.parquet import read_parquet
from components.adapters.score_store import ScoreStore
from components.errors import StateError
from components.scorecard.case_scores import CaseScores


def scores(case: str, content: str = "old", frames: int = 1, **more: Any) -> CaseScores:
    failures = more.pop("failures", {})
    rows = [
        {"frame_id": f"{case}-{number}", "case_id": case, "uncertainty": number / 4, **more}
        for number in range(frames)
    ]
    return CaseScores(case_id=case, content=content, rows=rows, failures=failures)


def rows(store: ScoreStore) -> list[tuple[str, float]]:
    table = store.read()
    return list(zip(table["frame_id"], table["uncertainty"], strict=True))


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    return ScoreStore(tmp_path / "scores")


def test_an_empty_store_holds_nothing(store: ScoreStore) -> None:
    assert store.read().empty
    assert not store.index().contents
    store.compact()


def test_what_is_read_is_sorted_by_case_and_keeps_the_order_of_frames(store: ScoreStore) -> None:
    store.add([scores("b", frames=2), scores("a")])
    store.add([scores("aa")])
    assert [name for name, _ in rows(store)] == ["a-0", "aa-0", "b-0", "b-1"]
    assert list(store.read(["b", "unknown"])["frame_id"]) == ["b-0", "b-1"]
    assert "content" not in store.read()


def test_numbers_come_back_bit_by_bit(store: ScoreStore) -> None:
    given = {"tiny": 5e-324, "third": 1 / 3, "unknown": float("nan"), "word": "Straße", "whole": 3}
    store.add([scores("a", **given)])
    (row,) = store.read().to_dict("records")
    assert all(row[name] == value or value != value for name, value in given.items())
    assert pd.isna(row["unknown"])


def test_the_latest_scores_of_a_case_count_and_nothing_is_doubled(store: ScoreStore) -> None:
    store.add([scores("a", frames=3), scores("b", failures={"b-9": "rubbish"})])
    store.add([scores("a", "new", frames=2)])
    for _ in range(2):
        assert store.index().contents == {"a": "new", "b": "old"}
        assert [name for name, _ in rows(store)] == ["a-0", "a-1", "b-0"]
        assert [failure.frame_id for failure in store.index().failures] == ["b-9"]
        store.compact()
    files = list(store.folder.glob("*.parquet"))
    assert sum(len(read_parquet(path)) for path in files) == 3  # also for who reads the files themselves


def test_a_case_without_any_scorecard_is_known_with_its_reason(store: ScoreStore) -> None:
    store.add([scores("a", frames=0, failures={"a-0": "no voxels"})])
    store.add([scores("b")])
    index = store.index()
    assert index.contents == {"a": "old", "b": "old"}
    assert index.failed_cases == {"a"}
    assert [name for name, _ in rows(store)] == ["b-0"]
    store.add([scores("a")])  # tried again, and well
    assert not store.index().failures
    store.compact()
    assert not store.index().failures


def test_a_column_that_came_later_is_unknown_in_earlier_rows(
    store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_store, "_MANY_PARTS", 1)
    store.add([scores("a", only_old=None)])
    store.add([scores("b", only_old="word", entropy=0.5)])
    for files in (2, 1):
        assert len(list(store.folder.glob("*.parquet"))) == files
        table = store.read().set_index("case_id")
        assert table["entropy"].isna().to_dict() == {"a": True, "b": False}
        assert table.loc["b", "only_old"] == "word"
        store.compact()


def test_many_small_files_become_one_and_full_ones_stay(
    store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_store, "_MANY_PARTS", 3)
    monkeypatch.setattr(score_store, "_FULL_PART", 5)
    store.add([scores("full", frames=5)])
    for number in range(4):
        store.add([scores(f"c{number}", frames=2)])
    before = store.read()
    store.compact()
    assert len(list(store.folder.glob("*.parquet"))) == 2
    pd.testing.assert_frame_equal(store.read(), before)
    streamed = pd.concat([table.to_pandas() for table in store.tables()]).drop(columns="content")
    streamed = streamed.sort_values("case_id", kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(streamed, before)


def test_a_kill_between_merging_and_removing_doubles_nothing(
    store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add([scores("a", frames=2), scores("b")])
    store.add([scores("a", "new")])

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            store.compact()
    assert len(list(store.folder.glob("*.parquet"))) == 3
    assert [name for name, _ in rows(store)] == ["a-0", "b-0"]
    store.compact()
    assert len(list(store.folder.glob("*.parquet"))) == 2
    assert [name for name, _ in rows(store)] == ["a-0", "b-0"]


def test_half_a_file_is_never_seen_and_goes_at_the_next_merge(store: ScoreStore) -> None:
    store.add([scores("a")])
    half = store.folder / f".part-00000002.parquet.{os.getpid()}.tmp"
    half.write_bytes(b"PAR1")
    assert [name for name, _ in rows(store)] == ["a-0"]
    store.compact()
    assert not half.exists()


def test_a_damaged_file_is_named(store: ScoreStore) -> None:
    store.add([scores("a")])
    (store.folder / "part-00000001.parquet").write_bytes(b"rubbish")
    with pytest.raises(StateError, match=r"part-00000001\.parquet.*deleting that file"):
        store.index()


def test_equal_scores_give_equal_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        store = ScoreStore(tmp_path / name)
        store.add([scores("a", frames=3, word="x")])
        contents.append((store.folder / "part-00000001.parquet").read_bytes())
    assert contents[0] == contents[1]


def test_reading_the_newest_cases_opens_no_older_file(
    store: ScoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        store.add([scores(f"case-{number}")])
    opened: list[str] = []
    real = score_store.cases_among

    def counted(path: Path, wanted: Any) -> set[str]:
        opened.append(path.name)
        return real(path, wanted)

    monkeypatch.setattr(score_store, "cases_among", counted)
    assert store.read(["case-4"])["case_id"].tolist() == ["case-4"]
    assert opened == ["part-00000005.parquet"]


def test_a_case_that_failed_when_scored_again_has_no_older_rows(store: ScoreStore) -> None:
    store.add([scores("case"), scores("other")])
    store.add([CaseScores(case_id="case", content="new", rows=[], failures={"case-0": "unreadable"})])
    assert store.read(["case", "other"])["case_id"].tolist() == ["other"]
    assert store.read()["case_id"].tolist() == ["other"]
