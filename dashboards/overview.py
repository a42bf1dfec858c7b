"""Overview: the loop as it stands now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request

from components.cohort.task import TASKS, Task
from components.registry.ledger import LedgerEntry
from components.registry.production import InProduction, in_production
from components.registry.registry import ModelVersion
from dashboards.jobs import schedule_table
from dashboards.loop import Loop
from dashboards.pages import REQUEST_COLUMNS, request_cells
from dashboards.table import Column, Table, View
from dashboards.views import Page

_FEW = 8
_MODELS = (
    Column(key="task", title="Task"),
    Column(key="champion", title="Champion", link="champion_href"),
    Column(key="since", title="Since (UTC)", kind="time"),
    Column(key="reason", title="Why"),
    Column(key="challenger", title="Challenger", link="challenger_href"),
    Column(key="gate", title="Its gate", kind="state", link="challenger_href"),
    Column(key="drift", title="Drift", kind="state", link="drift_href"),
)
_CHANNELS = (
    Column(key="task", title="Task"),
    Column(key="batch", title="Window", link="href"),
    Column(key="channel", title="Channel"),
    Column(key="state", title="State", kind="state"),
    Column(key="p_holm", title="p (Holm)", kind="number"),
    Column(key="column", title="Moved most"),
)
_DUE = [one for one in REQUEST_COLUMNS if one.key in ("frame", "task", "why", "model_version", "due")]
_BUDGET = (
    Column(key="task", title="Task"),
    Column(key="open", title="Open", kind="number", link="href"),
    Column(key="open_minutes", title="Minutes asked for", kind="number"),
    Column(key="window_minutes", title="Budget of a window", kind="number"),
    Column(key="answered", title="Answered", kind="number"),
    Column(key="minutes", title="Minutes spent", kind="number"),
)
_ERRORS = (
    Column(key="ended", title="Ended (UTC)", kind="time"),
    Column(key="job", title="Job", link="href"),
    Column(key="status", title="State", kind="state"),
    Column(key="detail", title="What"),
)


def overview_view(request: Request) -> View:
    """Champions, challengers, drift by channel, open requests, budget, next runs, last errors."""
    loop: Loop = request.app.state.loop
    entries = loop.ledger.entries("register", "promote", "rollback", "settled", "drift", "gate")
    due = request.app.state.store.request_page(status="open", limit=_FEW)
    asked = loop.history.asked()
    waiting = _sum(asked, "requests", status="open")
    tables = (
        Table(
            key="models", caption="Models in use", columns=_MODELS,
            rows=[model_row(loop, task, entries) for task in TASKS],
        ),
        Table(
            key="drift", caption="Drift, by channel, in the last window", columns=_CHANNELS,
            rows=[row for task in TASKS for row in channel_rows(loop, task, entries)],
            empty="No window was judged yet.",
        ),
        Table(
            key="requests", caption=f"Open requests: {waiting}, of which due first", columns=_DUE,
            rows=[request_cells(item) for item in due], empty="Nothing is asked.",
        ),
        Table(
            key="budget", caption="Experts' time, in minutes", columns=_BUDGET,
            rows=[
                {**row, "window_minutes": loop.budget_minutes(row["task"])}
                for row in budget_rows(asked, loop.history.answered())
            ],
        ),
        schedule_table(loop),
        Table(
            key="errors", caption="Last errors", columns=_ERRORS, rows=error_rows(loop, _FEW),
            empty="No run went wrong.",
        ),
    )  # fmt: skip
    turns = [turn_of(model, budget) for model, budget in zip(tables[0].rows, tables[3].rows, strict=True)]
    return View(title="Overview", tables=tables, lead=_sentence(tables[0].rows), extra={"turns": turns})


def turn_of(model: Mapping[str, Any], budget: Mapping[str, Any]) -> dict[str, Any]:
    """A turn of the loop for one task: what stands at each step, with its page; the tables below say the same."""
    task, asked = model["task"], budget["href"]
    steps = (
        ("Champion", model["champion"] and f"version {model['champion']}", model.get("champion_href"), "champion"),
        ("Last window", model["drift"], model.get("drift_href"), model["drift"]),
        ("Requests", budget["open"] and f"{budget['open']:g} open", asked, "open"),
        ("Answers", budget["answered"] and f"{budget['answered']:g}", "/labels", "answered"),
        ("Challenger", model["challenger"] and f"version {model['challenger']}", model.get("challenger_href"),
         "challenger"),
        ("Gate", model["gate"], model.get("challenger_href"), model["gate"]),
    )  # fmt: skip
    return {"task": task, "steps": [
        {"name": name, "says": says or "none", "href": href if says else None,
         "state": str(state).replace(" ", "-") if says else "cancelled"}
        for name, says, href, state in steps
    ]}  # fmt: skip


def model_row(loop: Loop, task: Task, entries: Sequence[LedgerEntry]) -> dict[str, Any]:
    """Champion and challenger of a task; with nothing in use, what it lacks is empty."""
    name = loop.model_name(task)
    champion = in_production(entries, name)
    challenger = challenger_of(loop, name, entries)
    gate = last_gate(entries, f"{name}/{challenger.version}") if challenger else None
    return {
        "task": task,
        "champion": champion.version,
        "champion_href": champion.version and f"/models/{task}/{champion.version}",
        "since": champion.since,
        "reason": champion.reason,
        "challenger": challenger and challenger.version,
        "challenger_href": challenger and f"/models/{task}/{challenger.version}",
        "gate": (gate.payload["outcome"] if gate else "not judged") if challenger else None,
        **_drift_of(champion, task),
    }


def challenger_of(loop: Loop, name: str, entries: Sequence[LedgerEntry]) -> ModelVersion | None:
    """Where nothing was ever registered, the registry is not asked: its first answer takes seconds."""
    registered = any(e.kind == "register" and e.subject.rpartition("/")[0] == name for e in entries)
    return loop.registry.by_alias(name, "challenger") if registered else None


def last_gate(entries: Sequence[LedgerEntry], subject: str) -> LedgerEntry | None:
    """The newest gate entry about a version."""
    return next((e for e in reversed(entries) if e.kind == "gate" and e.subject == subject), None)


def channel_rows(loop: Loop, task: Task, entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    """Each channel of the last window that was judged."""
    last = next((e for e in reversed(entries) if e.kind == "drift" and e.payload["task"] == task), None)
    if last is None:
        return []
    batch = str(last.payload["batch"])
    found = loop.window(task, batch) or {}
    channels = {item["name"]: item for item in found.get("verdict", {}).get("channels", ())}
    return [
        {
            "task": task,
            "batch": batch,
            "href": f"/drift/{task}/{batch}",
            "channel": name,
            "state": channel_state(channels.get(name)),
            "p_holm": p_holm,
            "column": channels.get(name, {}).get("column"),
        }
        for name, p_holm in last.payload["p_holm"].items()
    ]


def channel_state(channel: Mapping[str, Any] | None) -> str | None:
    """In a word; ``None`` when the window's report is gone."""
    return None if channel is None else "drift" if channel["alarmed"] else "no drift"


def budget_rows(
    asked: Sequence[Mapping[str, Any]], answered: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Per task: what is asked for and what was spent, as far as answers state their minutes."""
    return [
        {
            "task": task,
            "href": f"/requests?status=open&task={task}",
            "open": _sum(asked, "requests", task=task, status="open"),
            "open_minutes": _sum(asked, "budget_minutes", task=task, status="open"),
            "answered": _sum(asked, "requests", task=task, status="answered"),
            "minutes": _sum(answered, "minutes", task=task),
        }
        for task in TASKS
    ]


def error_rows(loop: Loop, limit: int) -> list[dict[str, Any]]:
    """The newest runs that went wrong: scheduled ones with their log, and verbs that anybody called."""
    runs, _ = loop.history.runs(limit=limit, wrong=True)
    jobs, _ = loop.history.jobs(limit=limit, wrong=True)
    rows = [
        {
            "ended": run["ended"], "job": run["job"], "status": run["status"],
            "detail": f"exit code {run['exit_code']}, attempt {run['attempt']}", "href": f"/jobs/{run['id']}/log",
        }
        for run in runs
    ] + [
        {"ended": j["ended"], "job": j["kind"], "status": j["status"], "detail": j["detail"].get("error", "")}
        for j in jobs
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["ended"] or "", reverse=True)[:limit]


def _drift_of(champion: InProduction, task: Task) -> dict[str, Any]:
    if champion.drift is None:
        return {"drift": None}
    return {"drift": champion.drift["kind"], "drift_href": f"/drift/{task}/{champion.drift['batch']}"}


def _sum(rows: Sequence[Mapping[str, Any]], what: str, **where: str) -> float:
    return sum(row[what] or 0 for row in rows if all(row[key] == value for key, value in where.items()))


def _sentence(models: Sequence[Mapping[str, Any]]) -> str:
    said = [
        f"{row['task']}: version {row['champion']} in use"
        if row["champion"]
        else f"{row['task']}: no champion yet"
        for row in models
    ]
    return "; ".join(said).capitalize() + "."


OVERVIEW = Page(path="/", view=overview_view, menu="Overview", template="overview.html")
