"""Prometheus metrics: what the overview says, as numbers. ``grafana.json`` beside this file draws them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from components.cohort.task import TASKS, Task
from components.registry.ledger import LedgerEntry
from components.registry.production import in_production
from dashboards.loop import Loop
from dashboards.overview import challenger_of
from dashboards.visitor import needs

router = APIRouter(include_in_schema=False)


@router.get("/metrics", dependencies=needs("viewer"))
def metrics(request: Request) -> Response:
    """For a scraper that holds a viewer's token."""
    registry = CollectorRegistry()
    registry.register(_LoopCollector(request.app.state.loop))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True)
class _LoopCollector:
    """Implements prometheus_client's ``Collector``."""

    loop: Loop

    def describe(self) -> list[Metric]:
        """Nothing: the values are read when they are asked for, not at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        entries = self.loop.ledger.entries("register", "promote", "rollback", "settled", "drift")
        yield from _models(self.loop, entries)
        yield from _drift(entries)
        yield from _labels(self.loop)
        yield _gauge("ctloop_scheduled_runs", "Attempts at scheduled jobs.", ("job", "status"), [
            (run["job"], run["status"], run["runs"]) for run in self.loop.history.runs_by_status()
        ])  # fmt: skip
        yield _gauge("ctloop_cases", "Cases that were ingested.", ("task",), [
            (task, self.loop.cases(task).page(limit=1)[1]) for task in TASKS
        ])  # fmt: skip


def _models(loop: Loop, entries: Sequence[LedgerEntry]) -> Iterator[Metric]:
    found = [(task, in_production(entries, loop.model_name(task))) for task in TASKS]
    used = [(task, one) for task, one in found if one.version is not None]
    yield _gauge(
        "ctloop_champion_version", "Version in use.", ("task",), [(t, one.version) for t, one in used]
    )
    yield _gauge(
        "ctloop_champion_since_timestamp_seconds", "When it became champion.", ("task",),
        [(task, datetime.fromisoformat(one.since).timestamp()) for task, one in used if one.since],
    )  # fmt: skip
    challengers = [(task, challenger_of(loop, loop.model_name(task), entries)) for task in TASKS]
    yield _gauge(
        "ctloop_challenger_version", "Version that waits for its gate or for promotion.", ("task",),
        [(task, version.version) for task, version in challengers if version is not None],
    )  # fmt: skip


def _drift(entries: Sequence[LedgerEntry]) -> Iterator[Metric]:
    last: dict[Task, LedgerEntry] = {e.payload["task"]: e for e in entries if e.kind == "drift"}
    yield _gauge(
        "ctloop_drift_alarm", "1 where the last window drifted.", ("task",),
        [(task, entry.payload["alarmed"]) for task, entry in last.items()],
    )  # fmt: skip
    yield _gauge(
        "ctloop_drift_p_holm", "Holm-adjusted p-value of each channel in the last window.", ("task", "channel"),
        [(t, name, p) for t, entry in last.items() for name, p in entry.payload["p_holm"].items()],
    )  # fmt: skip
    yield _gauge(
        "ctloop_drift_window_patients", "Patients in the last window.", ("task",),
        [(task, entry.payload["n_window"]) for task, entry in last.items()],
    )  # fmt: skip


def _labels(loop: Loop) -> Iterator[Metric]:
    asked, answered = loop.history.asked(), loop.history.answered()
    yield _gauge(
        "ctloop_requests", "Labeling requests.", ("task", "reason", "status"),
        [(row["task"], row["reason"], row["status"], row["requests"]) for row in asked],
    )  # fmt: skip
    yield _gauge(
        "ctloop_open_request_minutes", "Expert minutes that open requests should take.", ("task", "reason"),
        [(row["task"], row["reason"], row["budget_minutes"]) for row in asked if row["status"] == "open"],
    )  # fmt: skip
    for name, what, key in (
        ("ctloop_answers", "Accepted answers.", "answers"),
        ("ctloop_answer_minutes", "Expert minutes that answers state.", "minutes"),
    ):
        totals = [(task, sum(row[key] for row in answered if row["task"] == task)) for task in TASKS]
        yield _filled(CounterMetricFamily(name, what, labels=("task",)), totals)


def _gauge(name: str, what: str, labels: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Metric:
    """``rows`` end with the value."""
    return _filled(GaugeMetricFamily(name, what, labels=labels), rows)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, rows: Sequence[tuple[Any, ...]]
) -> GaugeMetricFamily | CounterMetricFamily:
    for *labels, value in rows:
        family.add_metric([str(label) for label in labels], float(value))
    return family
