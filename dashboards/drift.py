"""Drift: every window that was judged, what moved in it, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from components.cohort.task import TASKS, Task
from components.registry.ledger import LedgerEntry
from dashboards.loop import Loop
from dashboards.models import task_of
from dashboards.overview import channel_state
from dashboards.table import Column, Table, View, query_of
from dashboards.views import Page
from dashboards.visitor import needs

router = APIRouter(include_in_schema=False)

_WINDOWS = (
    Column(key="at", title="Judged (UTC)", kind="time"),
    Column(key="task", title="Task"),
    Column(key="batch", title="Window", link="href"),
    Column(key="kind", title="Verdict", kind="state"),
    Column(key="channel", title="Strongest channel"),
    Column(key="p_holm", title="p (Holm)", kind="number"),
    Column(key="n_window", title="Patients", kind="number"),
    Column(key="n_reference", title="In the reference", kind="number"),
    Column(key="model", title="Seen by"),
)
_CHANNELS = (
    Column(key="name", title="Channel"),
    Column(key="state", title="State", kind="state"),
    Column(key="column", title="Moved most"),
    Column(key="effect", title="Effect", kind="number"),
    Column(key="effect_name", title="Measured as"),
    Column(key="p_value", title="p", kind="number"),
    Column(key="p_holm", title="p (Holm)", kind="number"),
    Column(key="columns", title="Columns watched", kind="number"),
)
_STRATA = (
    Column(key="column", title="What"),
    Column(key="value", title="Value"),
    Column(key="share_reference", title="Share before", kind="number"),
    Column(key="share_window", title="Share now", kind="number"),
    Column(key="p_value", title="p", kind="number"),
)
_NOVEL = (
    Column(key="frame_id", title="Frame", link="href"),
    Column(key="novelty", title="Novelty", kind="number"),
    Column(key="uncertainty", title="Uncertainty", kind="number"),
)
_MOST_NOVEL = 12
_TYPICAL = 6


def drift_view(request: Request) -> View:
    """Every window, newest first; ``task`` and ``alarms`` filter."""
    loop: Loop = request.app.state.loop
    query = query_of(request.query_params)
    task = next((one for one in TASKS if one == query.get("task")), "")
    found = [
        entry for entry in reversed(loop.ledger.entries("drift"))
        if task in ("", entry.payload["task"]) and (not query.get("alarms") or entry.payload["alarmed"])
    ]  # fmt: skip
    table = Table(
        key="windows", caption="Windows", columns=_WINDOWS, total=len(found), offset=query.offset,
        rows=[_window_row(entry) for entry in found[query.offset : query.offset + query.limit]],
        empty="No window was judged yet: `ctloop monitor` judges each new batch.",
    )  # fmt: skip
    lead = "Each new batch against the patients that the model in use was judged on, by patient."
    return View(
        title="Drift", lead=lead, tables=(table,),
        extra={
            "tasks": TASKS, "task": task, "alarms": bool(query.get("alarms")),
            "drawn": sorted({str(entry.payload["task"]) for entry in found}, reverse=True),
        },
    )  # fmt: skip


def window_view(request: Request) -> View:
    """One window: its channels, the strata that carry a drift, and the scans that are most novel."""
    loop: Loop = request.app.state.loop
    task, batch = task_of(request), request.path_params["batch"]
    if (found := loop.window(task, batch)) is None:
        raise HTTPException(404, "The report of this window is not there.")
    verdict = found["verdict"]
    tables = (
        Table(
            key="channels", caption="Channels", columns=_CHANNELS,
            rows=[{**item, "state": channel_state(item)} for item in verdict["channels"]],
            empty="Too few patients: no channel was judged.",
        ),
        Table(
            key="strata", caption="What carries the change", columns=_STRATA, rows=verdict["strata"],
            empty="No site, scanner or kernel grew more than chance explains.",
        ),
        _scans("novel", "Most novel scans", task, loop.novel(task, batch, limit=_MOST_NOVEL)),
        _scans("typical", "Typical scans", task, loop.typical(task, batch, limit=_TYPICAL)),
    )  # fmt: skip
    extra = {"task": task, "batch": batch, "verdict": verdict, "model": found["model_version"]}
    lead = (
        f"{verdict['reason'].capitalize()}. {verdict['n_window']} patients against {verdict['n_reference']}."
    )
    return View(title=f"{batch}: {verdict['kind']}", lead=lead, tables=tables, extra=extra)


def _scans(key: str, caption: str, task: Task, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Frames with their novelty; a page shows them as thumbnails, too."""
    shown = [
        {
            **row,
            "href": f"/cases/{task}/{row['case_id']}" if row.get("case_id") else None,
            "picture": f"/cases/{task}/{row['case_id']}/frames/{row['frame_id']}/thumbnail.png",
        }
        for row in rows
    ]
    return Table(key=key, caption=caption, columns=_NOVEL, rows=shown)


DRIFT = Page(path="/drift", view=drift_view, menu="Drift", template="drift.html")
WINDOW = Page(path="/drift/{task}/{batch}", view=window_view, template="window.html")


@router.get("/drift/{task}/timeline/{paper}.png", dependencies=needs("viewer"))
def timeline(request: Request, task: Task, paper: Literal["light", "dark"]) -> Response:
    loop: Loop = request.app.state.loop
    if (drawn := loop.timeline(task)) is None:
        raise HTTPException(404, "No window was judged yet.")
    return Response(drawn[0 if paper == "light" else 1], media_type="image/png")


def _window_row(entry: LedgerEntry) -> dict[str, Any]:
    said = entry.payload
    strongest = min(said["p_holm"], key=said["p_holm"].get, default=None)
    return {
        "at": entry.at,
        "task": said["task"],
        "batch": said["batch"],
        "href": f"/drift/{said['task']}/{said['batch']}",
        "kind": said["kind"],
        "channel": strongest,
        "p_holm": said["p_holm"].get(strongest),
        "n_window": said["n_window"],
        "n_reference": said["n_reference"],
        "model": entry.subject,
    }
