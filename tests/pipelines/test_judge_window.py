from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.score_store import ScoreStore
from components.drift.verdict import DriftParams
from components.drift.window import Window
from components.errors import StateError
from components.operations.monitor_window import MonitorParams
from components.scorecard.case_scores import CaseScores
from pipelines.judge_window import judge_stored
from tests.components.drift.population import scorecards

PARAMS = MonitorParams(drift=DriftParams(permutations=999))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ScoreStore, pd.DataFrame]:
    """Ten days of five patients each; in the last four days they come from another site."""
    folder, generator = tmp_path_factory.mktemp("history"), np.random.default_rng(0)
    reference, store, days = scorecards(80, generator), ScoreStore(folder / "scores"), []
    for day in range(10):
        cards = scorecards(
            5, generator, name=f"d{day}-", new_site=float(day >= 6), embedding_shift=8.0 * (day >= 6)
        )
        rows = cards.to_dict("records")
        store.add(
            [
                CaseScores(
                    case_id=str(row["case_id"]), content="c", rows=[{str(k): v for k, v in row.items()}]
                )
                for row in rows
            ]
        )
        days.append(cards[["case_id", "patient_id"]].assign(acquired_at=f"2026-03-{day + 1:02d}"))
    pd.concat(days).to_parquet(folder / "frames.parquet", index=False)
    return folder / "frames.parquet", store, reference


def test_the_last_days_differ_and_the_days_before_do_not(
    history: tuple[Path, ScoreStore, pd.DataFrame],
) -> None:
    before = judge_stored(*history, Window(until="2026-03-06", days=3), PARAMS, model_version="m/1")
    assert (before.cases, before.scored, before.verdict.kind) == (15, 15, "no drift")
    assert before.stream is not None
    assert not before.stream.alarmed
    after = judge_stored(*history, Window(until="2026-03-10", patients=20), PARAMS, model_version="m/1")
    assert after.verdict.kind == "drift"
    assert after.verdict.attribution is not None
    assert after.verdict.attribution.carrier is not None
    assert after.verdict.attribution.carrier.value == "south"
    assert "site south" in after.words()


def test_the_stream_is_followed_in_the_order_of_the_days(
    history: tuple[Path, ScoreStore, pd.DataFrame],
) -> None:
    judged = judge_stored(*history, Window(until="2026-03-10", days=10), PARAMS, model_version="m/1")
    assert judged.stream is not None
    assert judged.stream.alarm_at is not None
    assert judged.stream.patients[0].startswith("d0")
    assert judged.stream.patients[judged.stream.alarm_at].startswith(("d6", "d7", "d8", "d9"))
    tree = json.loads(json.dumps(judged.as_json(), allow_nan=False))
    assert tree["window"]["name"] == "days-10-2026-03-10"
    assert len(tree["stream"]["log10_evidence"]) == 50


def test_days_without_scans_are_named(history: tuple[Path, ScoreStore, pd.DataFrame]) -> None:
    with pytest.raises(StateError, match="2026-05-01"):
        judge_stored(*history, Window(until="2026-05-01", days=3), PARAMS, model_version="m/1")
