"""Every case of the pool is scored once: after a kill, beside another process, and when scans have changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from components.adapters.parquet import read_parquet
from components.adapters.score_store import ScoreStore
from components.errors import ParameterError, StateError
from components.operations.scoring import score_cases
from components.scorecard.case_scores import CaseScores
from pipelines.cli import app
from pipelines.keep_scores import ScoreParams, scores_of
from pipelines.lease import lease
from pipelines.params import load_section
from pipelines.prepared_cases import prepared_volume
from pipelines.workspace import Workspace
from tests.pipelines.scored_workspace import (
    TASK,
    VERSION,
    LoggingPredictor,
    draw,
    looks,
    make_pool,
    run_score,
)

ROOT = Path(__file__).parents[2]
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


def store_of(workspace: Workspace) -> ScoreStore:
    return ScoreStore(workspace.scores(TASK, 1, "a" * 64))


def table_of(workspace: Workspace) -> pd.DataFrame:
    return read_parquet(workspace.prepared(TASK) / "frames.parquet")


def change(workspace: Workspace, frame: str, sha256: str) -> None:
    frames = table_of(workspace)
    frames.loc[frames["frame_id"] == frame, "sha256"] = sha256
    frames.to_parquet(workspace.prepared(TASK) / "frames.parquet")


def damage(workspace: Workspace, frame: str) -> Path:
    path = workspace.prepared(TASK) / "frames" / f"{frame}.b2nd"
    path.write_bytes(b"rubbish")
    return path


def test_the_shipped_parameters_are_valid_and_wrong_ones_are_not() -> None:
    assert load_section(ScoreParams, ROOT / "pipelines" / "params.yaml", "score").part_cases == 64
    with pytest.raises(ParameterError, match="part_cases of 1 or more"):
        ScoreParams(part_cases=0)


def test_stored_scores_are_the_scorecards_of_the_pool(tmp_path: Path) -> None:
    workspace = make_pool(tmp_path / "w", cases=8, test=(1,), labelled=(2, 5))
    log = tmp_path / "log"
    result = run_score(workspace, log)
    assert (result["cases"], result["scored"], result["known"], result["left"]) == (5, 5, 0, 0)
    assert (result["frames"], looks(log), result["quarantined"]) == (10, 10, 0)
    frames = table_of(workspace)
    pool = frames[frames["case_id"].isin(["c00", "c03", "c04", "c06", "c07"])]
    predictor = LoggingPredictor(tmp_path / "other")
    expected = score_cases(predictor, pool, prepared_volume(workspace, TASK))
    pd.testing.assert_frame_equal(store_of(workspace).read(), expected, check_exact=True)


def test_a_case_with_a_frame_that_no_expert_labelled_is_in_the_pool_with_all_its_frames(
    tmp_path: Path,
) -> None:
    workspace = make_pool(tmp_path / "w", cases=2, labelled=(0,))
    (workspace.labels(TASK) / "c00__phase-050.sidecar.json").unlink()
    assert run_score(workspace, tmp_path / "log")["frames"] == 4


def test_all_means_held_out_and_labelled_cases_too_and_a_batch_its_own(tmp_path: Path) -> None:
    workspace = make_pool(tmp_path / "w", cases=5, test=(1,), labelled=(2,))
    log = tmp_path / "log"
    assert run_score(workspace, log, batch="two")["cases"] == 1
    result = run_score(workspace, log, every=True)
    assert (result["cases"], result["known"], result["scored"]) == (5, 1, 4)
    with pytest.raises(StateError, match=r"batch 'three' .*got one, two"):
        run_score(workspace, log, batch="three")


def test_nothing_is_scored_twice_and_a_limit_leaves_the_rest(tmp_path: Path) -> None:
    workspace, log = make_pool(tmp_path / "w", cases=7, phases=1), tmp_path / "log"
    first = run_score(workspace, log, limit=4)
    assert (first["scored"], first["left"]) == (4, 3)
    second = run_score(workspace, log)
    assert (second["known"], second["scored"], second["left"]) == (4, 3, 0)
    assert run_score(workspace, log)["scored"] == 0
    assert looks(log) == 7


@pytest.mark.parametrize("kill_at", [1, 4, 7, 12])
def test_a_kill_costs_one_part_and_the_scores_are_those_of_a_run_without(
    tmp_path: Path, kill_at: int
) -> None:
    whole, killed = (make_pool(tmp_path / name, cases=7, phases=2) for name in ("whole", "killed"))
    run_score(whole, tmp_path / "whole.log")
    log = tmp_path / "killed.log"
    command = (
        sys.executable,
        "-m",
        "tests.pipelines.scored_workspace",
        str(killed.root),
        str(log),
        str(kill_at),
    )
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    run_score(killed, log)
    assert 14 <= looks(log) <= 14 + 3 * 2  # three cases of two frames are a part
    pd.testing.assert_frame_equal(store_of(killed).read(), store_of(whole).read(), check_exact=True)
    contents = [
        {path.name: path.read_bytes() for path in store_of(one).folder.glob("part-*")}
        for one in (whole, killed)
    ]
    assert contents[0] == contents[1]


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, log = make_pool(tmp_path / "w", cases=7, phases=1), tmp_path / "log"
    predict = LoggingPredictor.predict

    def interrupted(self: LoggingPredictor, volume: object) -> object:
        if looks(log) == 5:
            raise KeyboardInterrupt
        return predict(self, volume)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(LoggingPredictor, "predict", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_score(workspace, log)
    assert len(store_of(workspace).read()) == 5
    run_score(workspace, log)
    assert looks(log) == 7


def test_a_changed_case_is_scored_again_and_takes_the_place_of_its_old_scores(tmp_path: Path) -> None:
    workspace, log = make_pool(tmp_path / "w", cases=4), tmp_path / "log"
    run_score(workspace, log)
    before = store_of(workspace).read().set_index("frame_id")
    draw(workspace, "c02__phase-050", 9999)
    change(workspace, "c02__phase-050", "9" * 64)
    result = run_score(workspace, log)
    assert (result["scored"], looks(log)) == (1, 8 + 2)
    after = store_of(workspace).read().set_index("frame_id")
    assert list(after.index) == list(before.index)
    changed = before.index[before["uncertainty"] != after["uncertainty"]]
    assert list(changed) == ["c02__phase-050"]


def test_a_bad_case_is_in_quarantine_until_it_is_tried_again(tmp_path: Path) -> None:
    workspace, log = make_pool(tmp_path / "w", cases=4), tmp_path / "log"
    path = workspace.prepared(TASK) / "frames" / "c01__phase-000.b2nd"
    sound = path.read_bytes()
    damage(workspace, "c01__phase-000")
    result = run_score(workspace, log)
    assert result["quarantined"] == 1
    assert "c01__phase-000.b2nd" in result["quarantined_now"]["c01"]
    assert len(store_of(workspace).read()) == 7  # the other frame of the case has its scorecard
    (entry,) = json.loads((store_of(workspace).folder / "quarantine.json").read_text())
    assert (entry["case_id"], entry["frame_id"]) == ("c01", "c01__phase-000")
    assert str(tmp_path) not in entry["reason"]
    path.write_bytes(sound)
    again = run_score(workspace, log)
    assert (again["scored"], again["quarantined"], again["quarantined_now"]) == (0, 1, {})
    retried = run_score(workspace, log, retry=True)
    assert (retried["scored"], retried["quarantined"]) == (1, 0)
    assert json.loads((store_of(workspace).folder / "quarantine.json").read_text()) == []
    assert store_of(workspace).read()["frame_id"].is_unique
    assert len(store_of(workspace).read()) == 8


def test_a_second_process_on_the_same_version_is_refused(tmp_path: Path) -> None:
    workspace, log = make_pool(tmp_path / "w", cases=2), tmp_path / "log"
    command = (sys.executable, "-m", "tests.pipelines.scored_workspace", str(workspace.root), str(log), "0")
    with lease(store_of(workspace).lease, "ctloop score"):
        environment = {name: value for name, value in os.environ.items() if name != "CTLOOP_LEASE"}
        other = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    assert other.returncode == 1
    assert "expected a workspace that no other job writes, got `ctloop score`" in other.stderr
    assert looks(log) == 0


def test_a_model_for_another_task_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_pool(tmp_path / "w", cases=2)
    monkeypatch.setattr(LoggingPredictor, "task", "classification")
    with pytest.raises(ParameterError, match="--task classification"):
        run_score(workspace, tmp_path / "log")


def test_the_monitor_takes_stored_scores_and_stores_its_own(tmp_path: Path) -> None:
    workspace, log = make_pool(tmp_path / "w", cases=6, test=(1,)), tmp_path / "log"
    run_score(workspace, log, limit=3)
    damage(workspace, "c05__phase-050")
    frames, predictor = table_of(workspace), LoggingPredictor(log)
    load = prepared_volume(workspace, TASK)
    shown: list[tuple[int, int]] = []
    cards, failures = scores_of(
        workspace, TASK, VERSION, predictor, frames, load,
        progress=lambda done, total: shown.append((done, total)),
    )  # fmt: skip
    assert looks(log) == 6 + 5
    assert shown[-1] == (6, 6)
    assert list(failures) == ["c05__phase-050"]
    errors: list[str] = []
    expected = score_cases(
        LoggingPredictor(tmp_path / "other"), frames, load, on_error=lambda name, _: errors.append(name)
    )
    pd.testing.assert_frame_equal(cards, expected, check_exact=True)
    assert run_score(workspace, log)["scored"] == 0


def test_the_monitor_beside_a_running_score_stores_nothing(tmp_path: Path) -> None:
    workspace, log = make_pool(tmp_path / "w", cases=3), tmp_path / "log"
    run_score(workspace, log, limit=1)
    other = subprocess.Popen(
        (sys.executable, "-c", HOLD, str(store_of(workspace).lease)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    other.stdout.readline()
    cards, _ = scores_of(
        workspace, TASK, VERSION, LoggingPredictor(log), table_of(workspace), prepared_volume(workspace, TASK)
    )
    other.communicate("")
    assert len(cards) == looks(log) == 6
    assert list(cards["case_id"]) == sorted(cards["case_id"])
    assert len(store_of(workspace).read()) == 2


@pytest.mark.parametrize(("minutes", "parts"), [("5.0", [3, 3, 2]), ("0.0000001", [1] * 8)])
def test_memory_holds_no_more_than_a_part_of_so_many_cases_or_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: str, parts: list[int]
) -> None:
    workspace, sizes, add = make_pool(tmp_path / "w", cases=8, phases=1), [], ScoreStore.add
    workspace.params.write_text(
        workspace.params.read_text().replace("part_minutes: 5.0", f"part_minutes: {minutes}")
    )

    def noted(store: ScoreStore, cases: Sequence[CaseScores]) -> None:
        sizes.append(len(cases))
        add(store, cases)

    monkeypatch.setattr(ScoreStore, "add", noted)
    run_score(workspace, tmp_path / "log")
    assert sizes == parts


@pytest.mark.parametrize(("words", "message"), [
    (("--model", "nonsense?"), "models:/NAME@ALIAS"),
    (("--task", "liver"), "segmentation or classification"),
])  # fmt: skip
def test_the_verb_refuses_what_it_cannot_read(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    workspace = make_pool(tmp_path / "w", cases=1)
    result = CliRunner().invoke(app, ["score", *words, "--workspace", str(workspace.root)])
    assert isinstance(result.exception, ParameterError)
    assert message in str(result.exception)
