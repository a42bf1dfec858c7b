"""Cases: search and filter them, and what is known of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import HTTPException, Request

from components.cohort.task import TASKS, Task
from dashboards.loop import Loop
from dashboards.models import task_of
from dashboards.pages import REQUEST_COLUMNS, request_cells
from dashboards.table import Column, Table, View, query_of
from dashboards.views import Page

FILTERS = ("batch", "site", "manufacturer", "kernel")
_CASES = (
    Column(key="case_id", title="Case", link="href"),
    Column(key="patient_id", title="Patient"),
    Column(key="batch", title="Batch"),
    Column(key="frames", title="Frames", kind="number"),
    Column(key="site", title="Site"),
    Column(key="manufacturer", title="Manufacturer"),
    Column(key="model", title="Scanner"),
    Column(key="kernel", title="Kernel"),
    Column(key="acquired_at", title="Acquired", kind="time"),
)
_FRAMES = (
    Column(key="frame_id", title="Frame"),
    Column(key="phase_percent", title="% of the beat", kind="number"),
    Column(key="kvp", title="kVp", kind="number"),
    Column(key="slice_thickness_mm", title="Slices, mm", kind="number"),
    Column(key="grid", title="Voxels z × y × x"),
    Column(key="spacing", title="mm z × y × x"),
    Column(key="sha256", title="Content", kind="code"),
)


def cases_view(request: Request) -> View:
    """Cases of a task (the first that has any unless given) by ``search`` in pseudonyms, and by filters."""
    loop: Loop = request.app.state.loop
    query = query_of(request.query_params)
    task = _task(loop, query.get("task"))
    chosen = {name: query.get(name) for name in FILTERS}
    rows, total = loop.cases(task).page(
        search=query.get("search"), filters=chosen, limit=query.limit, offset=query.offset
    )
    table = Table(
        key="cases", caption=f"Cases for {task}", columns=_CASES, total=total, offset=query.offset,
        rows=[{**row, "href": f"/cases/{task}/{row['case_id']}"} for row in rows],
        empty="No case is like that.",
    )  # fmt: skip
    choices = {name: loop.cases(task).values(name) for name in FILTERS}
    extra = {
        "tasks": TASKS,
        "task": task,
        "search": query.get("search"),
        "chosen": chosen,
        "choices": choices,
    }
    return View(title="Cases", lead="Patients and cases go by pseudonyms.", tables=(table,), extra=extra)


def case_view(request: Request) -> View:
    """One case: its frames, and what experts were asked about them."""
    loop: Loop = request.app.state.loop
    task, case = task_of(request), request.path_params["case"]
    frames = loop.cases(task).frames(case)
    if not frames:
        raise HTTPException(404, "There is no such case.")
    tables = case_tables(request, frames)
    one = frames[0]
    scanner = " ".join(str(one[key]) for key in ("manufacturer", "model") if one[key]) or "an unknown scanner"
    lead = f"Patient {one['patient_id']}, batch {one['batch']}, by {scanner}."
    extra = {"task": task, "case": case}
    return View(title=f"Case {case}", lead=lead, tables=tables, extra=extra)


def case_tables(request: Request, frames: Sequence[Mapping[str, Any]]) -> tuple[Table, ...]:
    """The frames of a case, and what experts were asked about them."""
    task, case, store = task_of(request), request.path_params["case"], request.app.state.store
    names = {case, *(str(frame["frame_id"]) for frame in frames)}
    asked = [item for name in sorted(names) for item in store.requests(task=task, frame_id=name)]
    return (
        Table(
            key="frames", caption="Frames", columns=_FRAMES,
            rows=[
                {
                    **frame, "sha256": str(frame["sha256"])[:12],
                    "grid": " × ".join(str(frame[f"shape_{axis}"]) for axis in "zyx"),
                    "spacing": " × ".join(f"{frame[f'spacing_{axis}_mm']:.3g}" for axis in "zyx"),
                }
                for frame in frames
            ],
        ),
        Table(
            key="requests", caption="Labeling requests", columns=REQUEST_COLUMNS,
            rows=[request_cells(item) for item in asked], empty="Nobody was asked about it.",
        ),
    )  # fmt: skip


CASES = Page(path="/cases", view=cases_view, menu="Cases", template="cases.html")
CASE = Page(path="/cases/{task}/{case}", view=case_view, template="case.html")


def _task(loop: Loop, asked: str) -> Task:
    """The one that is asked for, else the first that has cases."""
    for task in TASKS:
        if task == asked or (asked not in TASKS and loop.cases(task).page(limit=1)[1]):
            return task
    return TASKS[0]
