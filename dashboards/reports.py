"""The pages that jobs wrote: gates, dossiers, windows. They bring their own styles, and can run nothing."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse

from components.cohort.task import Task
from dashboards.loop import Loop, ReportKind
from dashboards.visitor import needs

router = APIRouter(include_in_schema=False)
SEALED = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"


@router.get("/reports/{kind}/{task}/{name}", dependencies=needs("viewer"))
def report(request: Request, kind: ReportKind, task: Task, name: str) -> FileResponse:
    loop: Loop = request.app.state.loop
    if (path := loop.report(kind, task, name)) is None:
        raise HTTPException(404, f"There is no {kind} report of {task} {name[:80]}.")
    return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": SEALED})
