"""Jobs: what runs when, what ran, and how it ended; to run one now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.responses import Response

from components.errors import CtloopError, InputError
from dashboards.loop import Loop
from dashboards.table import Column, Table, View, query_of
from dashboards.views import Page, html
from dashboards.visitor import needs

router = APIRouter(include_in_schema=False)
_SCHEDULE = (
    Column(key="job", title="Job"),
    Column(key="next", title="Next (UTC)", kind="time"),
    Column(key="trigger", title="Runs at or after"),
)
_RUNS = (
    Column(key="id", title="Run", link="href"),
    Column(key="job", title="Job"),
    Column(key="status", title="State", kind="state"),
    Column(key="cause", title="Queued by"),
    Column(key="attempt", title="Attempt", kind="number"),
    Column(key="queued", title="Queued (UTC)", kind="time"),
    Column(key="started", title="Started (UTC)", kind="time"),
    Column(key="ended", title="Ended (UTC)", kind="time"),
    Column(key="exit_code", title="Exit code", kind="number"),
)
_VERBS = (
    Column(key="id", title="Number"),
    Column(key="kind", title="Verb"),
    Column(key="status", title="State", kind="state"),
    Column(key="started", title="Started (UTC)", kind="time"),
    Column(key="ended", title="Ended (UTC)", kind="time"),
    Column(key="error", title="Error"),
)


def schedule_table(loop: Loop) -> Table:
    """What runs by itself, soonest first; wrong parameters are said here, and the rest of the page stays."""
    try:
        rows, empty = list(loop.schedule()), "No scans yet: nothing is scheduled."
    except CtloopError as error:
        rows, empty = [], f"The schedule cannot be read: {error}."
    rows.sort(key=lambda row: (row["next"] is None, row["next"], row["job"]))
    return Table(key="schedule", caption="Next runs", columns=_SCHEDULE, rows=rows, empty=empty)


def jobs_view(request: Request) -> View:
    """The schedule, scheduled runs, and every writing verb that anybody called; both newest first."""
    loop: Loop = request.app.state.loop
    query = query_of(request.query_params)
    runs, of_runs = loop.history.runs(limit=query.limit, offset=query.offset)
    verbs, of_verbs = loop.history.jobs(limit=query.limit, offset=query.offset)
    schedule = schedule_table(loop)
    tables = (
        schedule,
        Table(
            key="runs", caption="Scheduled runs", columns=_RUNS, total=of_runs, offset=query.offset,
            rows=[{**run, "href": f"/jobs/{run['id']}/log" if run["started"] else None} for run in runs],
        ),
        Table(
            key="verbs", caption="Verbs that wrote", columns=_VERBS, total=of_verbs, offset=query.offset,
            rows=[{**verb, "error": verb["detail"].get("error")} for verb in verbs],
        ),
    )  # fmt: skip
    return View(
        title="Jobs", lead="One run of a job at a time, among all machines that share the database.", tables=tables,
        extra={"names": [row["job"] for row in schedule.rows]},
    )  # fmt: skip


JOBS = Page(path="/jobs", view=jobs_view, menu="Jobs", template="jobs.html")


@router.post("/jobs/run", dependencies=needs("engineer"))
def run_now(request: Request, job: Annotated[str, Form()] = "") -> Response:
    loop: Loop = request.app.state.loop
    try:
        queued = loop.run_now(job)
    except InputError as error:
        return html(request, JOBS, 422, refused=error)
    request.app.state.entrance.access.store.audit(
        actor=request.state.visitor.name, action="run_now", subject=job, detail={"queued": queued}
    )
    return RedirectResponse("/jobs", 303)


@router.get("/jobs/{run}/log", dependencies=needs("engineer"))
def log(request: Request, run: int) -> PlainTextResponse:
    """For engineers: what a job prints may name a file as the scanner did."""
    loop: Loop = request.app.state.loop
    if (text := loop.log(run)) is None:
        raise HTTPException(404, "This run left no log, or it was cleaned up.")
    return PlainTextResponse(text)
