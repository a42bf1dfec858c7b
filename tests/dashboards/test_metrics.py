from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import dashboards
from tests.dashboards.desk_server import TOKEN, a_client, made_app
from tests.dashboards.lived_workspace import lived_app

BEARER = {"Authorization": f"Bearer {TOKEN}"}
Samples = dict[tuple[str, str], float]


def scraped(app: object) -> Samples:
    """(name, values of its labels by their names) → value, as Prometheus' own parser reads them."""
    reply = a_client(app).get("/metrics", headers=BEARER)  # type: ignore[arg-type]
    assert reply.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, " ".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samples]:
    app, _, store = lived_app(tmp_path_factory.mktemp("lived"))
    yield scraped(app)
    store.close()


def test_the_numbers_are_those_of_the_loop(samples: Samples) -> None:
    known = {
        ("ctloop_champion_version", "segmentation"): 2.0,
        ("ctloop_challenger_version", "segmentation"): 3.0,
        ("ctloop_drift_alarm", "segmentation"): 1.0,
        ("ctloop_drift_p_holm", "metadata segmentation"): 0.0025,
        ("ctloop_drift_window_patients", "segmentation"): 12.0,
        ("ctloop_requests", "drift open classification"): 1.0,
        ("ctloop_open_request_minutes", "drift classification"): 5.0,
        ("ctloop_answers_total", "segmentation"): 1.0,
        ("ctloop_answer_minutes_total", "segmentation"): 22.5,
        ("ctloop_scheduled_runs", "retrain-segmentation failed"): 1.0,
        ("ctloop_cases", "segmentation"): 60.0,
    }
    assert {key: samples[key] for key in known} == known
    assert samples["ctloop_champion_since_timestamp_seconds", "segmentation"] > 1.7e9


def test_an_empty_workspace_has_metrics(tmp_path: Path) -> None:
    app, _, store = made_app(tmp_path)
    found = scraped(app)
    assert found["ctloop_cases", "segmentation"] == 0
    assert not any(name == "ctloop_champion_version" for name, _ in found)
    store.close()


def test_the_grafana_dashboard_draws_what_is_exported(samples: Samples) -> None:
    board = json.loads((Path(dashboards.__file__).parent / "grafana.json").read_text())
    exported = {name for name, _ in samples}
    drawn = [re.findall(r"ctloop_\w+", target["expr"]) for p in board["panels"] for target in p["targets"]]
    assert all(drawn)
    assert {name for names in drawn for name in names} == exported
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"  # whichever Prometheus the viewer chooses
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
