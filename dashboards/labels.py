"""Labels: what is asked and why, who answered and how well they agree, what it took, and what it has brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from components.cohort.task import TASKS, Task
from components.labeling.request_words import REASON_WORDS
from components.operations.learning_curve import LearningCurve
from components.operations.reader_agreement import reader_agreement
from components.registry.learning_record import HEADLINE
from dashboards.loop import Loop
from dashboards.table import Column, Table, View
from dashboards.views import Page
from dashboards.visitor import needs

router = APIRouter(include_in_schema=False)
MORE = 50
"""Labels that the forecast adds."""

_ASKED = (
    Column(key="task", title="Task"),
    Column(key="reason", title="Why"),
    Column(key="open", title="Open", kind="number", link="href"),
    Column(key="open_minutes", title="Minutes asked for", kind="number"),
    Column(key="answered", title="Answered", kind="number"),
    Column(key="cancelled", title="Cancelled", kind="number"),
    Column(key="progress", title="Answered, %", kind="number"),
)
_READERS = (
    Column(key="task", title="Task"),
    Column(key="annotator", title="Who"),
    Column(key="answers", title="Answers", kind="number"),
    Column(key="minutes", title="Minutes spent", kind="number"),
    Column(key="per_answer", title="Minutes per answer", kind="number"),
    Column(key="timed", title="Answers with minutes", kind="number"),
    Column(key="last", title="Last (UTC)", kind="time"),
)
_AGREEMENT = (
    Column(key="task", title="Task"),
    Column(key="name", title="Structure or finding"),
    Column(key="measure", title="Measured as"),
    Column(key="value", title="Value", kind="number"),
    Column(key="low", title="95 % from", kind="number"),
    Column(key="high", title="to", kind="number"),
    Column(key="cases", title="Cases", kind="number"),
    Column(key="readings", title="Second readings", kind="number"),
    Column(key="readers", title="Readers", kind="number"),
)
_CURVE = (
    Column(key="task", title="Task"),
    Column(key="version", title="Version", link="href"),
    Column(key="expert_labels", title="Expert labels", kind="number"),
    Column(key="metric", title="Measured as"),
    Column(key="value", title="Value", kind="number"),
    Column(key="low", title="Interval from", kind="number"),
    Column(key="high", title="to", kind="number"),
    Column(key="patients", title="Held-out patients", kind="number"),
)
_FORECAST = (
    Column(key="task", title="Task"),
    Column(key="labels", title="Expert labels then", kind="number"),
    Column(key="metric", title="Measured as"),
    Column(key="quality", title="Forecast", kind="number"),
    Column(key="low", title="95 % from", kind="number"),
    Column(key="high", title="to", kind="number"),
    Column(key="gain", title="Gain", kind="number"),
    Column(key="gain_low", title="95 % from", kind="number"),
    Column(key="gain_high", title="to", kind="number"),
    Column(key="minutes", title="Minutes at today's pace", kind="number"),
    Column(key="note", title="Note"),
)
_VERSIONS = (
    Column(key="at", title="When (UTC)", kind="time"),
    Column(key="task", title="Task"),
    Column(key="version", title="Data version", kind="code"),
    Column(key="answers", title="Answers in it", kind="number"),
    Column(key="added", title="New requests answered", kind="number"),
)
_METRIC = {task: f"{label} {metric.upper() if metric == 'auroc' else metric.capitalize()}"
           for task, (metric, label) in HEADLINE.items()}  # fmt: skip
_SHOWN = 50


def labels_view(request: Request) -> View:
    """Requests by reason, answers by reader, their agreement, the learning curve, data versions newest first."""
    loop: Loop = request.app.state.loop
    versions, answered = list(reversed(loop.ledger.entries("label_set"))), loop.history.answered()
    curves = {task: loop.learning_curve(task, more=MORE) for task in TASKS}
    drawn = [task for task, curve in curves.items() if curve.measured]
    tables = (
        Table(
            key="asked", caption="What is asked, and why", columns=_ASKED, rows=_asked(loop),
            empty="Nothing was asked.",
        ),
        Table(
            key="readers", caption="Who answered", columns=_READERS,
            rows=[{**row, "per_answer": _per_answer([row])} for row in answered], empty="No answer yet.",
        ),
        Table(
            key="agreement", caption="How well readers agree", columns=_AGREEMENT,
            rows=reader_agreement(loop.ledger.entries("reread")),
            empty="None yet: no frame and no case was answered by two readers.",
        ),
        Table(
            key="forecast", caption=f"What {MORE} more expert labels should give", columns=_FORECAST,
            rows=[_forecast(task, curve, answered) for task, curve in curves.items()],
        ),
        Table(
            key="curve", caption="Learning curve", columns=_CURVE,
            rows=[row for task, curve in curves.items() for row in _curve(task, curve)],
            empty="No version is registered yet.",
        ),
        Table(
            key="versions", caption="Data versions of the answers", columns=_VERSIONS,
            rows=[
                {
                    "at": entry.at, "task": entry.subject, "version": entry.payload["version"][:16],
                    "answers": entry.payload["answers"], "added": len(entry.payload["requests"]),
                }
                for entry in versions[:_SHOWN]
            ],
            empty="No data version yet.",
        ),
    )  # fmt: skip
    lead = "What experts are asked, what their answers took and became, and what more of them should give."
    return View(title="Labels", lead=lead, tables=tables, extra={"drawn": drawn, "metric": _METRIC})


LABELS = Page(path="/labels", view=labels_view, menu="Labels", template="labels.html")


@router.get("/labels/{task}/learning-curve/{paper}.png", dependencies=needs("viewer"))
def learning_picture(request: Request, task: Task, paper: Literal["light", "dark"]) -> Response:
    loop: Loop = request.app.state.loop
    if (drawn := loop.learning_picture(task, more=MORE)) is None:
        raise HTTPException(404, "No version tells both its labels and its quality.")
    return Response(drawn[0 if paper == "light" else 1], media_type="image/png")


def _asked(loop: Loop) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for found in loop.history.asked():
        key = (found["task"], found["reason"])
        row = rows.setdefault(
            key,
            {
                "task": key[0], "reason": REASON_WORDS[key[1]], "open": 0, "answered": 0, "cancelled": 0,
                "open_minutes": 0.0, "href": f"/requests?status=open&task={key[0]}",
            },
        )  # fmt: skip
        row[found["status"]] = found["requests"]
        if found["status"] == "open":
            row["open_minutes"] = found["budget_minutes"]
    for row in rows.values():
        wanted = row["open"] + row["answered"]
        row["progress"] = round(100 * row["answered"] / wanted) if wanted else None
    return list(rows.values())


def _curve(task: Task, curve: LearningCurve) -> list[dict[str, Any]]:
    return [
        {
            "task": task, "version": version, "href": f"/models/{task}/{version}",
            "metric": _METRIC[task], **(vars(record) if record else {}),
        }
        for version, record in reversed(curve.versions)
    ]  # fmt: skip


def _forecast(task: Task, curve: LearningCurve, answered: Sequence[Any]) -> dict[str, Any]:
    row = {"task": task, "metric": _METRIC[task], "note": curve.why_not}
    if curve.forecast is None:
        return row
    pace = _per_answer([one for one in answered if one["task"] == task])
    return {**row, **vars(curve.forecast), "minutes": pace and pace * MORE}


def _per_answer(rows: Sequence[Any]) -> float | None:
    """Minutes, over the answers that state them."""
    timed = sum(row["timed"] for row in rows)
    return sum(row["minutes"] for row in rows) / timed if timed else None
